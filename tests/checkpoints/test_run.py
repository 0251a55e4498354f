"""Which checkpoints of a run are kept, and which is found."""

import os
import stat
from pathlib import Path

import pytest

from i2i.checkpoints import run as checkpoint
from i2i.networks.generators.resnet import ResnetGenerator


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with checkpoints of five steps, of which the second is the best."""
    generator = ResnetGenerator(features=2, blocks=0)
    generator.spec = {"name": "resnet"}
    for step in range(1, 6):
        checkpoint.save(tmp_path, step, {"step": step}, {"a": generator}, {})
    checkpoint.point(tmp_path / "best", tmp_path / "checkpoints/00000002")
    return tmp_path


def steps(run: Path) -> list[int]:
    return [int(folder.name) for folder in checkpoint.list_checkpoints(run)]


def test_the_last_checkpoints_and_the_best_are_kept(run: Path) -> None:
    checkpoint.prune(checkpoint.find(run), keep=2)
    assert steps(run) == [2, 4, 5] and checkpoint.find(run / "best").name == "00000002"


def test_what_came_after_a_resumed_checkpoint_is_dropped_with_a_best_among_it(run: Path) -> None:
    checkpoint.point(run / "best", run / "checkpoints/00000005")
    checkpoint.prune(run / "checkpoints/00000003", keep=2)
    assert steps(run) == [2, 3] and not (run / "best").is_symlink()


def test_checkpoints_can_be_read_by_whom_the_umask_lets(run: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in checkpoint.find(run).iterdir()}
    assert modes == {0o666 & ~mask}


def test_half_written_checkpoints_are_never_found_and_are_removed(run: Path) -> None:
    (run / "checkpoints/.00000006.partial").mkdir()
    (run / "checkpoints/00000007").mkdir()
    assert checkpoint.find(run).name == "00000005"
    checkpoint.prune(checkpoint.find(run), keep=9)
    assert sorted(folder.name for folder in (run / "checkpoints").iterdir()) == [f"{step:08d}" for step in range(1, 6)]


def test_latest_is_a_link_to_the_newest(run: Path) -> None:
    assert (run / "latest").is_symlink() and (run / "latest").resolve().name == "00000005"


def test_latest_is_found_without_its_link(run: Path) -> None:
    (run / "latest").unlink()
    assert checkpoint.find(run).name == checkpoint.find(run / "latest").name == "00000005"
