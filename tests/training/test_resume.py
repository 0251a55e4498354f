"""A killed and resumed run ends with the same bits as an uninterrupted one."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from i2i import recipe
from i2i.checkpoints import run as checkpoint
from i2i.training import run
from i2i.training.context import Interrupted
from i2i.training.longer import rate_change
from i2i.training.schedules import Linear
from tests.training.commands import ENVIRONMENT, settings
from tests.waits import HANGS
from tests.worlds import Recorder, tiny_data, tiny_recipe, tiny_world

STEPS = 60
SETTINGS = [
    f"train.steps={STEPS}",
    "train.checkpoint_every=5",
    "train.sample_every=7",
    "train.log_every=1",
    "train.keep=2",
]
# What of a method's state only shows with an option of its own
OWN = {
    "dcgan": ["method.classes=10", "collapse.every=4", "collapse.least=2", "optimizer.players.generator.lr=1e-3"],
    "stylegan2": ["method.augment=ada"],
    "r3gan": ["method.classes=10"],
    "cyclegan": [
        "method.discriminator.augment=ada",
        "method.discriminator.augment_images=100",
        "method.adversarial.r1_weight=1",
        "method.adversarial.r1_every=3",
    ],
    "pix2pix": ["train.accumulate=2"],
}


@pytest.mark.parametrize(
    ("method", "workers"),
    [
        pytest.param("cyclegan", 0, marks=pytest.mark.slow),
        ("cyclegan", 2),
        pytest.param("cut", 0, marks=pytest.mark.slow),
        ("sim2real", 0),
        ("fastcut", 0),
        ("distil", 2),
        pytest.param("pix2pix", 0, marks=pytest.mark.slow),
        ("pix2pix", 2),
        ("rrdb-psnr", 2),
        pytest.param("esrgan", 0, marks=pytest.mark.slow),
        ("real-esrgan", 2),
        pytest.param("realplksr", 0, marks=pytest.mark.slow),
        ("real-span", 0),
        ("gigagan", 0),
        ("dcgan", 2),
        pytest.param("wgan-gp", 0, marks=pytest.mark.slow),
        pytest.param("biggan", 0, marks=pytest.mark.slow),
        ("stylegan2", 0),
        pytest.param("stylegan3", 0, marks=pytest.mark.slow),
        pytest.param("r3gan", 0, marks=pytest.mark.slow),
        pytest.param("gan", 0, marks=pytest.mark.slow),
        pytest.param("wgan", 0, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_resumes_bit_for_bit(method: str, workers: int, tmp_path: Path) -> None:
    world = tiny_data(method, tmp_path / "world")
    options = [*SETTINGS, f"train.workers={workers}", "train.ema=0.9", "train.batch_size=2", *OWN.get(method, [])]
    whole = run.train(tiny_recipe(method, world, *options), tmp_path / "whole", reporter=Recorder())

    killed = tmp_path / "killed"
    _train_until_killed(method, world, killed, options)
    reached = int(checkpoint.find(killed).name)
    assert 0 < reached < STEPS, "it was killed on the way"
    run.resume(killed / "latest", reporter=Recorder())

    assert_equal_weights(whole, killed)
    ours, theirs = (checkpoint.load_state(checkpoint.find(folder)) for folder in (whole, killed))
    assert torch.equal(ours["random"], theirs["random"])
    assert_equal(ours["method"], theirs["method"])
    assert_equal(ours["optimizers"], theirs["optimizers"])
    # The log continues without a gap and without a row twice.
    rows = [line.split(",")[0] for line in (killed / "losses.csv").read_text().splitlines()[1:]]
    assert rows == [str(step) for step in range(1, STEPS + 1)]


# Trains until a random moment after the first checkpoints, and is killed then; the run cannot get to its end before.
KILLED = """
import os, random, signal, threading
from i2i.cli import main
from i2i.cli.progress import TrainingLine

def progress(line, progress):
    if progress.step == 10:
        threading.Timer(0.02 * random.random(), os.killpg, (0, signal.SIGKILL)).start()
    if 10 < progress.step == progress.steps - 1:  # of the stage that is killed, not of a shorter one before it
        signal.pause()

TrainingLine.progress = progress
main()
"""


def _train_until_killed(method: str, world: Path, folder: Path, options: list[str]) -> None:
    words = ["-c", KILLED, "train", method, str(world), "--out", str(folder), *settings(method, *options)]
    done = subprocess.run(
        [sys.executable, *words], env=ENVIRONMENT, stdout=subprocess.DEVNULL, start_new_session=True, timeout=HANGS
    )
    assert done.returncode == -signal.SIGKILL


def assert_equal_weights(first: Path, second: Path) -> None:
    files = sorted(checkpoint.find(first).glob("*.safetensors"))
    assert files
    for file in files:
        assert_equal(load_file(file), load_file(checkpoint.find(second) / file.name))


def assert_equal(first: object, second: object) -> None:
    if isinstance(first, torch.Tensor):
        assert isinstance(second, torch.Tensor) and torch.equal(first, second)
    elif isinstance(first, dict):
        assert isinstance(second, dict) and first.keys() == second.keys()
        for key in first:
            assert_equal(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert isinstance(second, list | tuple) and len(first) == len(second)
        for ours, theirs in zip(first, second, strict=True):
            assert_equal(ours, theirs)
    else:
        assert first == second


def test_a_finished_run_is_refused_and_can_be_made_longer(tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    folder = run.train(tiny_recipe("pix2pix", world, "train.steps=2"), tmp_path / "run", reporter=Recorder())
    with pytest.raises(ValueError, match=r"finished at step 2; .*train\.steps"):
        run.resume(folder, reporter=Recorder())
    reporter = Recorder()
    run.resume(folder, ["train.steps=4"], reporter=reporter)
    assert reporter.steps == [3, 4] and checkpoint.find(folder).name == "00000004"


def test_a_run_resumes_by_epochs_and_says_where_its_learning_rate_jumps(tmp_path: Path) -> None:
    world, reporter = tiny_world(tmp_path / "world"), Recorder()
    run.train(tiny_recipe("pix2pix", world, "train.epochs=1"), tmp_path / "run", reporter=Recorder())
    steps = int(checkpoint.find(tmp_path / "run").name)
    with pytest.raises(ValueError, match=f"finished at step {steps}"):
        run.resume(tmp_path / "run", ["train.epochs=1"])
    run.resume(tmp_path / "run", ["train.epochs=2"], reporter=reporter)
    assert reporter.steps == list(range(steps + 1, 2 * steps + 1))
    (change,) = [message for message in reporter.messages if "the learning rate jumps" in message]
    last, following = (2e-4 * Linear()(*at) for at in ((steps - 1, steps), (steps, 2 * steps)))
    assert f"optimizer.lr from {last:.4g} to {following:.4g}" in change
    constant = change.partition("at the last rate: ")[2].replace("--set ", "").split()
    assert constant == ["schedule=constant", f"optimizer.lr={last:.4g}"]


def test_a_run_that_goes_on_at_its_last_rate_as_proposed_says_nothing(tmp_path: Path) -> None:
    run.train(tiny_recipe("pix2pix", tiny_world(tmp_path / "world"), "train.steps=2"), tmp_path / "run")
    before = recipe.load_run(tmp_path / "run")
    longer = recipe.load_run(tmp_path / "run", ["train.steps=4"])
    proposed = rate_change(before, longer, 2).partition("at the last rate: ")[2].replace("--set ", "").split()
    assert rate_change(before, recipe.load_run(tmp_path / "run", ["train.steps=4", *proposed]), 2) == ""


def test_a_run_that_resumes_as_it_was_says_nothing_of_its_learning_rate(tmp_path: Path) -> None:
    chosen, reporter = tiny_recipe("pix2pix", tiny_world(tmp_path / "world"), "train.steps=4"), Recorder()
    with pytest.raises(Interrupted):
        run.train(chosen, tmp_path / "run", reporter=Recorder(), stop=lambda: True)
    run.resume(tmp_path / "run", reporter=reporter)
    assert reporter.steps == [2, 3, 4] and not any("learning rate" in message for message in reporter.messages)


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    chosen = tiny_recipe("pix2pix", world, "train.steps=1")
    folder = run.train(chosen, tmp_path / "run", reporter=Recorder())
    with pytest.raises(ValueError, match="holds a run already"):
        run.train(chosen, folder, reporter=Recorder())


def test_the_run_is_reproducible_from_the_recipe_in_it(tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    first = run.train(tiny_recipe("cyclegan", world, "train.epochs=1"), tmp_path / "first", reporter=Recorder())
    again = recipe.load(first / run.RECIPE)
    assert again.train.steps == 12, "epochs are resolved to steps"
    second = run.train(again, tmp_path / "second", reporter=Recorder())
    assert_equal_weights(first, second)


def test_a_run_resumes_from_another_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_world(tmp_path / "world")
    monkeypatch.chdir(tmp_path)
    folder = run.train(tiny_recipe("pix2pix", Path("world"), "train.steps=1")).resolve()
    monkeypatch.chdir("/")
    run.resume(folder, ["train.steps=2"])
    assert checkpoint.find(folder).name == "00000002"


def test_a_run_leaves_torchs_random_numbers_as_they_were(tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    before = torch.get_rng_state()
    run.train(tiny_recipe("pix2pix", world, "train.steps=1"), tmp_path / "run", reporter=Recorder())
    assert torch.equal(before, torch.get_rng_state())


def test_a_checkpoint_of_another_method_is_refused(tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    pix2pix = run.train(tiny_recipe("pix2pix", world, "train.steps=1"), tmp_path / "pix2pix", reporter=Recorder())
    cyclegan = run.train(tiny_recipe("cyclegan", world, "train.steps=1"), tmp_path / "cyclegan", reporter=Recorder())
    state = (checkpoint.find(pix2pix) / checkpoint.STATE).read_bytes()
    (checkpoint.find(cyclegan) / checkpoint.STATE).write_bytes(state)
    with pytest.raises(ValueError, match="does not fit 'cyclegan'"):
        run.resume(cyclegan, ["train.steps=2"], reporter=Recorder())


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    folder = run.train(tiny_recipe("pix2pix", world, "train.steps=1"), tmp_path / "run", reporter=Recorder())
    state = checkpoint.find(folder) / checkpoint.STATE
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"state\.pt: damaged"):
        run.resume(folder, ["train.steps=2"], reporter=Recorder())


def test_resuming_an_earlier_checkpoint_drops_later_ones(tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    chosen = tiny_recipe(
        "pix2pix", world, "train.steps=6", "train.checkpoint_every=2", "train.log_every=1", "train.keep=9"
    )
    folder = run.train(chosen, tmp_path / "run", reporter=Recorder())
    before = load_file(checkpoint.find(folder) / "source_to_target.safetensors")
    run.resume(folder / "checkpoints/00000002", ["optimizer.lr=0.01", "train.steps=4"], reporter=Recorder())
    assert [path.name for path in checkpoint.list_checkpoints(folder)][-2:] == ["00000002", "00000004"]
    run.resume(folder, ["train.steps=6"], reporter=Recorder())
    after = load_file(checkpoint.find(folder) / "source_to_target.safetensors")
    assert any(not torch.equal(before[key], after[key]) for key in before)
    rows = [line.split(",")[0] for line in (folder / "losses.csv").read_text().splitlines()[1:]]
    assert rows == [str(step) for step in range(1, 7)]


def test_a_resume_may_change_the_memory_layout(tmp_path: Path) -> None:
    """The fused Adam would take the saved moments for others, without an error."""
    world = tiny_world(tmp_path / "world")
    options = ["train.steps=3", "train.channels_last=false", "method.generator.dropout=false", "optimizer.lr=1e-2"]
    folder = run.train(tiny_recipe("pix2pix", world, *options), tmp_path / "run", reporter=Recorder())
    shutil.copytree(folder, tmp_path / "other", symlinks=True)
    for name, layout in (("run", "false"), ("other", "true")):
        run.resume(tmp_path / name, ["train.steps=4", f"train.channels_last={layout}"], reporter=Recorder())
    ours, theirs = (
        load_file(checkpoint.find(tmp_path / name) / "source_to_target.safetensors") for name in ("run", "other")
    )
    for key in ours:
        torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=2e-3)
