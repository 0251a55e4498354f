"""Several processes train as one would: the same steps, one log, one checkpoint, and none is left waiting."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from i2i.checkpoints import run as checkpoint
from i2i.training.log import read_log
from tests.training.test_resume import _assert_equal
from tests.worlds import overrides, tiny_world

PLUGIN = """
import torch
from i2i.metrics.features.base import FeatureExtractor
from i2i.registry import features


@features.register("means")
class Means(FeatureExtractor):
    def __init__(self, *, weights: str = "", device: str = "cpu") -> None:
        super().__init__("means", "0", device)

    def extract(self, images):
        return torch.cat([images.mean((2, 3)), images.std((2, 3))], 1)
"""
SHARED_BY_RANKS = [  # no batch statistics, no random numbers
    "method.generator.norm=instance",
    "method.generator.dropout=false",
    "method.discriminator.norm=instance",
]


COLLECTIVES = """
import torch
from i2i.training.distributed import init_world

with init_world("cpu") as (world, device):
    own = float(world.rank + 1)
    mixed = [torch.full((2, 3, 4, 5), own).to(memory_format=torch.channels_last), torch.tensor(10 * own),
             torch.full((2,), own, dtype=torch.float64), torch.arange(12.0).reshape(3, 4).T * own]
    world.all_reduce_mean(mixed)
    assert all(torch.equal(mean, torch.full_like(mean, 1.5)) for mean in (mixed[0], mixed[2]))
    assert mixed[1] == 15 and torch.equal(mixed[3], torch.arange(12.0).reshape(3, 4).T * 1.5)
    assert mixed[0].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(world.all_reduce_sum(torch.tensor([own, 1.0])), torch.tensor([3.0, 2.0]))
    copied = [torch.tensor([own]), torch.tensor(world.rank + 7)]
    world.broadcast(copied)
    assert copied[0] == 1 and copied[1] == 7
    assert world.any_rank(world.rank == 1) and not world.any_rank(False)
    gathered = world.gather({"rank": world.rank, "values": [torch.tensor(own)]})
    assert [each["rank"] for each in gathered] == ([0, 1] if world.is_main else [])
    assert list(range(6))[world.shard(6)] == ([0, 1, 2] if world.is_main else [3, 4, 5])
    assert list(range(5))[world.round_robin] == ([0, 2, 4] if world.is_main else [1, 3])
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world", count=40)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "i2i", "train", *map(str, arguments)]


def of(method: str, *settings: str) -> list[str]:
    return [word for text in overrides(method, "train.batch_size=4", *settings) for word in ("--set", text)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, timeout=200)


def trained(*arguments: object) -> str:
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = checkpoint.find(folder).glob("*.safetensors")
    return load_file(file)


def test_collectives_of_two_ranks(tmp_path: Path) -> None:
    (tmp_path / "collectives.py").write_text(COLLECTIVES)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*torchrun, tmp_path / "collectives.py"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def test_a_batch_that_is_shared_gives_the_step_of_the_whole_batch(world: Path, tmp_path: Path) -> None:
    (tmp_path / "means.py").write_text(PLUGIN)
    settings = of(
        "pix2pix", *SHARED_BY_RANKS, "train.steps=8", "train.log_every=1", "train.clip_norm=1",
        "evaluate.every=4", "evaluate.features=means", 'evaluate.metrics=["psnr","kid"]', "evaluate.best=psnr",
    )  # fmt: skip
    for folder, count in (("one", 1), ("two", 2)):
        said = trained("pix2pix", world, "--out", tmp_path / folder, "--plugin", tmp_path / "means.py",
                       "--processes", count, *settings)  # fmt: skip
        assert said.count("recipe:") == said.count("done:") == 1
    losses, metrics = (
        [read_log(tmp_path / run / name) for run in ("one", "two")] for name in ("losses.csv", "metrics.csv")
    )
    for one, two in (losses, metrics):
        assert one.keys() == two.keys()
        for name in one.keys() - {"images_per_second"}:
            assert two[name] == pytest.approx(one[name], rel=1e-4, abs=1e-5), name
    assert metrics[0]["step"] == [4, 8]
    assert (tmp_path / "one/best").resolve().name == (tmp_path / "two/best").resolve().name
    for name, value in weights(tmp_path / "one").items():
        if value.ndim > 1:  # a bias before an instance norm has rounding errors for a gradient
            torch.testing.assert_close(weights(tmp_path / "two")[name], value, rtol=0, atol=2e-5)


def test_a_run_that_was_stopped_goes_on_bit_for_bit(
    world: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    settings = of("cyclegan", "train.steps=60", "train.ema=0.9", "train.checkpoint_every=60", "train.log_every=1")
    trained("cyclegan", world, "--out", tmp_path / "whole", "--processes", 2, *settings)
    stopped = tmp_path / "stopped"
    process = subprocess.Popen(
        command("cyclegan", world, "--out", stopped, "--processes", 2, *settings),
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    started.append(process)
    deadline = time.monotonic() + 100
    while len(read_log(stopped / "losses.csv").get("step", [])) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM and said.count("stopped; go on with") == 1
    reached = int(checkpoint.find(stopped).name)
    assert 0 < reached < 60, "it was stopped on the way"
    trained("--resume", stopped, "--processes", 2)
    ours, theirs = (checkpoint.load_state(checkpoint.find(folder)) for folder in (tmp_path / "whole", stopped))
    assert len(ours["others"]) == 1 and not torch.equal(ours["others"][0]["random"], ours["random"])
    _assert_equal(ours, theirs)
    assert read_log(stopped / "losses.csv")["step"] == list(range(1, 61))


def test_a_run_goes_on_with_other_numbers_of_world(world: Path, tmp_path: Path) -> None:
    for count, steps in ((2, 2), (1, 4), (2, 6)):
        start = ("--resume", tmp_path, "--set", f"train.steps={steps}")
        fresh = ("cyclegan", world, "--out", tmp_path, *of("cyclegan", f"train.steps={steps}"))
        trained(*(fresh if steps == 2 else start), "--processes", count)
    assert checkpoint.find(tmp_path).name == "00000006"


def test_two_stages_are_two_stages_in_several_world(world: Path, tmp_path: Path) -> None:
    settings = of("esrgan", "train.steps=2")
    trained("esrgan", world / "trainB", "--out", tmp_path / "run", "--processes", 2, *settings)
    assert checkpoint.find(tmp_path / "run").name == checkpoint.find(tmp_path / "run/first").name == "00000002"


def test_when_one_process_dies_no_other_waits_for_it(
    world: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    process = subprocess.Popen(
        command("cyclegan", world, "--out", tmp_path, "--processes", 2, *of("cyclegan", "train.steps=100000")),
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    started.append(process)
    deadline = time.monotonic() + 100
    while not (tmp_path / "run.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("no /proc to find the processes in")
    victim = int(children.read_text().split()[-1])
    os.kill(victim, signal.SIGKILL)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGKILL
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            [*of("cyclegan"), "--set", "train.batch_size=3", "--processes", 2],
            "train.batch_size = 3 cannot be shared by 2 processes; allowed: multiples of 2, for example --set "
            "train.batch_size=4",
        ),
        (["--set", "train.stepps=3", "--processes", 2], "train.stepps"),
        (
            [*of("cyclegan"), "--processes", 2, "--device", "cuda:1"],
            "device 'cuda:1' for 2 processes is refused; choose from: auto, cuda (a GPU for each), cpu",
        ),
    ],
)
def test_what_is_wrong_is_said_once(world: Path, tmp_path: Path, arguments: list[object], sentence: str) -> None:
    done = run("cyclegan", world, "--out", tmp_path / "run", *arguments)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == done.stderr.count(sentence) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there are GPUs")
def test_one_for_each_gpu_needs_gpus(world: Path) -> None:
    done = run("cyclegan", world, "--processes", 0)
    assert done.returncode == 1 and "--processes 0: one for each GPU, of which there is none here" in done.stderr
