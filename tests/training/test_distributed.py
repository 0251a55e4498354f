"""Several ranks train as one process does: the same steps, one log, one checkpoint, and none waits for ever."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from i2i.checkpoints import run as checkpoint
from tests.logs import read_log
from tests.training.commands import command, run, settings, started, train, wait_for_line
from tests.training.test_resume import assert_equal
from tests.waits import HANGS
from tests.worlds import tiny_world

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
from i2i.networks.augmentation.ada import AdaptiveAugmentation
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

    class Ranks:
        step, all_reduce_sum = 3, staticmethod(world.all_reduce_sum)

    # The discriminator of rank 0 overfits not at all, that of both does: the probability is of both.
    augmentation = AdaptiveAugmentation(target=0.6, full_range=100)
    augmentation.observe(-torch.ones(2) if world.is_main else torch.ones(30))
    augmentation.adjust(Ranks, 5)
    assert torch.isclose(augmentation.probability, torch.tensor(4 * 10 / 100))
"""


OF_NOISE = """
import sys
import torch
from i2i import registry
from i2i.data.batch import Images
from i2i.recipe.components import build
from i2i.training.distributed import init_world
from i2i.training.train_state import TrainState
from tests.worlds import tiny_recipe

with init_world("cpu") as (world, device):
    for name in sys.argv[1:]:
        torch.manual_seed(world.rank)
        recipe = tiny_recipe(name, "unused", "train.steps=4", "train.ema=0.5", "train.ema_warmup=false")
        method = build(registry.methods, recipe.method)
        state = TrainState(method, recipe, lambda step, steps: 1.0, device, world)
        first = [each.detach().clone() for each in method.parameters()]
        for _ in range(4):  # of which BigGAN's generator has one
            image = 2 * torch.rand(4, method.channels, method.size, method.size) - 1
            state.take_step(Images(image, torch.zeros(4, dtype=torch.int64)))
        moved = [not torch.equal(one, other) for one, other in zip(first, method.parameters())]
        averages = [each for product in state.products().values() for each in product.parameters()]
        ranks = world.gather([each.detach() for each in (*method.parameters(), *averages)])
        assert sum(moved) > len(moved) / 2, name
        assert not ranks or all(torch.equal(one, other) for one, other in zip(*ranks)), name
        print(name, len(moved), flush=True)
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world", count=40)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = checkpoint.find(folder).glob("*.safetensors")
    return load_file(file)


def test_collectives_of_two_ranks(tmp_path: Path) -> None:
    (tmp_path / "collectives.py").write_text(COLLECTIVES)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*torchrun, tmp_path / "collectives.py"], capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_ranks_of_every_method_of_noise_keep_the_same_weights_on_other_images(tmp_path: Path) -> None:
    names = ["dcgan", "wgan", "wgan-gp", "gan", "biggan", "stylegan2", "stylegan3", "r3gan"]
    (tmp_path / "steps.py").write_text(OF_NOISE)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    home = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))}
    words = [*torchrun, tmp_path / "steps.py", *names]
    done = subprocess.run(words, env=home, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 0, done.stderr
    assert all(done.stdout.count(f"{name} ") == 2 for name in names)


def test_two_ranks_on_micro_batches_take_the_steps_of_one_process(world: Path, tmp_path: Path) -> None:
    (tmp_path / "means.py").write_text(PLUGIN)
    options = settings(
        "pix2pix", *SHARED_BY_RANKS, "train.batch_size=4", "train.steps=8", "train.log_every=1", "train.clip_norm=1",
        "evaluate.every=4", "evaluate.features=means", 'evaluate.metrics=["psnr","kid"]', "evaluate.best=psnr",
    )  # fmt: skip
    for folder, count, more in (("one", 1, []), ("two", 2, ["--set", "train.accumulate=2"])):
        more += ["--plugin", tmp_path / "means.py", "--processes", count]
        printed = train("pix2pix", world, "--out", tmp_path / folder, *options, *more)
        assert printed.count("recipe:") == printed.count("done:") == 1
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


def test_an_interrupted_run_of_two_ranks_resumes_bit_for_bit(world: Path, tmp_path: Path) -> None:
    options = settings("cyclegan", "train.batch_size=4", "train.ema=0.9", "train.log_every=1")
    stopped, forever = tmp_path / "stopped", ("--set", "train.steps=100000", "--set", "train.checkpoint_every=3")
    with started(*command("cyclegan", world, "--out", stopped, "--processes", 2, *options, *forever)) as process:
        wait_for_line(process, "saved")
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM and printed.count("stopped; go on with") == 1
    reached = int(checkpoint.find(stopped).name)
    steps = ("--set", f"train.steps={reached + 5}", "--set", f"train.checkpoint_every={reached + 5}")
    train("--resume", stopped, "--processes", 2, *steps)
    train("cyclegan", world, "--out", tmp_path / "whole", "--processes", 2, *options, *steps)
    ours, theirs = (checkpoint.load_state(checkpoint.find(folder)) for folder in (tmp_path / "whole", stopped))
    assert len(ours["others"]) == 1 and not torch.equal(ours["others"][0]["random"], ours["random"])
    assert_equal(ours, theirs)
    assert read_log(stopped / "losses.csv")["step"] == list(range(1, reached + 6))


@pytest.mark.slow
def test_a_run_resumes_with_another_number_of_ranks(world: Path, tmp_path: Path) -> None:
    for count, steps in ((2, 2), (1, 4), (2, 6)):
        resumed = ("--resume", tmp_path, "--set", f"train.steps={steps}")
        fresh = ("cyclegan", world, "--out", tmp_path, *settings("cyclegan", "train.batch_size=4", "train.steps=2"))
        train(*(fresh if steps == 2 else resumed), "--processes", count)
    assert checkpoint.find(tmp_path).name == "00000006"


def test_two_ranks_train_both_stages(world: Path, tmp_path: Path) -> None:
    options = settings("esrgan", "train.batch_size=4", "train.steps=2")
    train("esrgan", world / "trainB", "--out", tmp_path / "run", "--processes", 2, *options)
    assert checkpoint.find(tmp_path / "run").name == checkpoint.find(tmp_path / "run/first").name == "00000002"


def test_when_one_rank_is_killed_no_other_waits_for_it(world: Path, tmp_path: Path) -> None:
    options = settings("cyclegan", "train.batch_size=4", "train.steps=100000", "train.checkpoint_every=1")
    with started(*command("cyclegan", world, "--out", tmp_path, "--processes", 2, *options)) as process:
        wait_for_line(process, "saved")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip("no /proc to find the ranks in")
        os.kill(int(children.read_text().split()[-1]), signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGKILL and "Traceback" not in errors
    assert errors.count("error: ") == errors.count("was ended by SIGKILL") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            [*settings("cyclegan"), "--set", "train.batch_size=3"],
            "train.batch_size = 3 cannot be shared by 2 processes; allowed: multiples of 2, for example --set "
            "train.batch_size=4",
        ),
        (["--set", "train.stepps=3"], "train.stepps"),
        (
            [*settings("cyclegan"), "--device", "cuda:1"],
            "device 'cuda:1' for 2 processes is refused; choose from: auto, cuda (a GPU for each), cpu",
        ),
    ],
)
def test_an_error_of_all_ranks_is_printed_once(
    world: Path, tmp_path: Path, arguments: list[object], sentence: str
) -> None:
    done = run("cyclegan", world, "--out", tmp_path / "run", "--processes", 2, *arguments)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == done.stderr.count(sentence) == 1


BROKEN_ON_RANK_1 = """
import os
from i2i.losses.adversarial import LeastSquares
from i2i.registry import adversarial


@adversarial.register("broken")
class Broken(LeastSquares):
    def generator(self, *arguments, **more):
        if os.environ["RANK"] == "1":
            raise ValueError("broken on rank 1")
        return super().generator(*arguments, **more)
"""


def test_the_error_of_one_rank_is_printed_and_not_what_follows_from_it(world: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN_ON_RANK_1)
    options = settings("cyclegan", "train.batch_size=4", "method.adversarial=broken")
    plugin = ("--plugin", tmp_path / "broken.py")
    done = run("cyclegan", world, "--out", tmp_path / "run", "--processes", 2, *plugin, *options)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == done.stderr.count("broken.py, line 11: broken on rank 1") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there are GPUs")
def test_one_rank_for_each_gpu_needs_gpus(world: Path) -> None:
    done = run("cyclegan", world, "--processes", 0)
    assert done.returncode == 1 and "--processes 0: one for each GPU, of which there is none here" in done.stderr
