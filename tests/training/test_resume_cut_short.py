"""A run that is killed between two writes of one save, moved, or copied goes on as if nothing had happened."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints import run as checkpoint
from i2i.methods.pix2pix import Pix2Pix
from i2i.training import run
from tests.training.test_resume import assert_equal_weights
from tests.worlds import Recorder, tiny_recipe, tiny_world

SETTINGS = [
    "train.steps=6",
    "train.checkpoint_every=2",
    "train.log_every=1",
    "train.sample_every=2",
    "train.keep=1",
]
SCORES = {2: 3.0, 4: 1.0, 6: 2.0}  # the best is the one that is cut short


class Killed(BaseException):
    """The end of a process, at which nothing else is done."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world")


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Held-out scores of a method that has none, known by the step at which they are asked for."""
    saved = run.train_stage.__globals__["Trainer"]._write_checkpoint

    def write(trainer: Any, *rest: Any, **more: Any) -> None:
        monkeypatch.setattr(Pix2Pix, "score", lambda *_: torch.tensor(SCORES[trainer.state.step]))
        saved(trainer, *rest, **more)

    monkeypatch.setattr("i2i.training.trainer.Trainer._write_checkpoint", write)
    yield


def files(folder: Path) -> dict[str, Any]:
    """What a run holds and does not depend on the time: rows, sheets, names of checkpoints, links."""
    rows = {name: (folder / name).read_text() for name in ("scores.csv",)}
    steps = [line.partition(",")[0] for line in (folder / "losses.csv").read_text().splitlines()]
    links = {name: (folder / name).resolve().name for name in ("latest", "best")}
    kept = sorted(each.name for each in (folder / "checkpoints").iterdir())
    sheets = {each.name: each.read_bytes() for each in sorted((folder / "samples").iterdir())}
    return {**rows, "losses": steps, **links, "kept": kept, "sheets": sheets}


@pytest.mark.parametrize("at", ["save", "settle", "point", "prune"])
def test_a_save_that_is_cut_short_leaves_no_trace(
    at: str, world: Path, tmp_path: Path, scored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tiny_recipe("pix2pix", world, *SETTINGS)
    whole = run.train(chosen, tmp_path / "whole", reporter=Recorder())
    original = getattr(checkpoint, at)

    def cut_short(*arguments: Any, **options: Any) -> Any:
        if (tmp_path / "killed/samples/00000004.png").exists():
            raise Killed
        return original(*arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint, at, cut_short)
        run.train(chosen, tmp_path / "killed", reporter=Recorder())
    run.resume(tmp_path / "killed", reporter=Recorder())
    assert files(tmp_path / "killed") == files(whole)
    assert_equal_weights(whole, tmp_path / "killed")


def test_the_last_save_of_a_run_is_completed_although_the_run_is_finished(
    world: Path, tmp_path: Path, scored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*SETTINGS, "train.steps=4"]
    with monkeypatch.context() as patch, pytest.raises(Killed):
        settle = checkpoint.settle

        def cut_short(newest: Path, **options: Any) -> None:
            if newest.name == "00000004":
                raise Killed
            settle(newest, **options)

        patch.setattr(checkpoint, "settle", cut_short)
        run.train(tiny_recipe("pix2pix", world, *settings), tmp_path, reporter=Recorder())
    with pytest.raises(ValueError, match="finished at step 4"):
        run.resume(tmp_path, reporter=Recorder())
    assert (tmp_path / "best").resolve().name == (tmp_path / "latest").resolve().name == "00000004"
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["00000004"]


def test_a_moved_run_goes_on_from_its_newest_first_stage(world: Path, tmp_path: Path) -> None:
    """Also where the program was killed before `latest` led to the last checkpoint of the first stage."""
    settings = ["first.train.steps=2", "first.train.checkpoint_every=1", "train.steps=1"]
    chosen = tiny_recipe("esrgan", world / "trainB", *settings)
    whole = run.train(chosen, tmp_path / "whole", reporter=Recorder())
    for name in ("moved", "linked"):
        shutil.copytree(whole, tmp_path / name, symlinks=True)
        shutil.rmtree(tmp_path / name / "checkpoints")
        checkpoint.point(tmp_path / name / "first/latest", Path("00000001"))
    (tmp_path / "moved/recipe.toml").write_text(
        (whole / "recipe.toml")
        .read_text()
        .replace(f"{whole}/first/checkpoints/00000002", "/gone/first/checkpoints/00000001")
    )
    (tmp_path / "linked").rename(tmp_path / "disk")
    (tmp_path / "linked").symlink_to(tmp_path / "disk")
    for name in ("moved", "linked"):
        run.resume(tmp_path / name, reporter=Recorder())
        assert_equal_weights(whole, tmp_path / name)
