"""Which checkpoints of a run are kept, and which is found."""

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from i2i.checkpoints import run as checkpoint
from i2i.checkpoints.load import list_products, load_any
from i2i.networks.generators.resnet import ResnetGenerator


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with checkpoints of five steps, of which the second is the best."""
    generator = ResnetGenerator(features=2, blocks=0)
    generator.spec = {"name": "resnet", "features": 2, "blocks": 0}
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


FOREIGN = ["my_favourite", "00000008-good", "4_old_backup", "notes", "123", ".00000007.partial.mine", "00000007"]


def write_foreign(run: Path) -> list[Path]:
    """Folders of somebody else among the checkpoints, one with the name of a step, and his notes in a checkpoint."""
    files = [run / "checkpoints" / name / "weights.pt" for name in FOREIGN]
    for file in files:
        file.parent.mkdir()
        file.write_bytes(b"theirs")
    (run / "checkpoints/00000003/note.txt").write_text("the one of the paper")
    (run / "checkpoints/00000006").mkdir()
    return [*files, run / "checkpoints/00000003/note.txt", run / "checkpoints/00000003/a.safetensors"]


def test_what_is_not_ours_is_neither_found_nor_removed(run: Path) -> None:
    theirs = write_foreign(run)
    assert checkpoint.find(run).name == "00000005" and steps(run) == [1, 2, 3, 4, 5]
    checkpoint.prune(checkpoint.find(run), keep=1)
    assert all(file.exists() for file in theirs) and steps(run) == [2, 3, 5]


def test_what_killed_processes_left_is_removed(run: Path) -> None:
    for name in (".00000006.partial", ".00000001.removed"):
        (run / "checkpoints" / name).mkdir()
        (run / "checkpoints" / name / "state.pt").touch()
        (run / "checkpoints" / name / ".0123456789abcdef.part.safetensors").touch()
    checkpoint.prune(checkpoint.find(run), keep=9)
    assert sorted(folder.name for folder in (run / "checkpoints").iterdir()) == [f"{step:08d}" for step in range(1, 6)]


def test_latest_is_a_link_to_the_newest(run: Path) -> None:
    checkpoint.settle(checkpoint.find(run), best=None, keep=9)
    assert (run / "latest").is_symlink() and (run / "latest").resolve().name == "00000005"


def test_steps_of_nine_digits_are_later_than_those_of_eight(run: Path) -> None:
    (run / "checkpoints/00000005").rename(run / "checkpoints/100000000")
    assert checkpoint.find(run).name == "100000000"


@pytest.mark.parametrize("done", ["nothing", "latest", "best"])
def test_a_save_that_was_cut_short_is_completed(run: Path, done: str) -> None:
    """Killed between the checkpoint's rename, its links and the removal of old ones; it was the best."""
    newest = run / "checkpoints/00000005"
    checkpoint.point(run / "latest", run / "checkpoints/00000004")
    if done != "nothing":
        checkpoint.point(run / "latest", newest)
    if done == "best":
        checkpoint.point(run / "best", newest)
    checkpoint.settle(newest, best=5, keep=1)
    assert (run / "latest").resolve() == (run / "best").resolve() == newest and steps(run) == [5]


def test_checkpoints_that_were_given_up_are_gone_when_another_is_saved(run: Path) -> None:
    """A kill before they are removed would let the run resume from them."""
    for step in (4, 5):
        (run / f"checkpoints/{step:08d}").rename(run / f"checkpoints/{step + 4:08d}")
    checkpoint.save(run, 6, {"step": 6}, {}, {})
    assert steps(run) == [1, 2, 3, 6]


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_a_newest_checkpoint_without_its_state_is_no_reason_to_take_an_older_one(run: Path, damage: str) -> None:
    state = run / "checkpoints/00000005" / checkpoint.STATE
    state.unlink()
    if damage == "empty":
        state.touch()
    assert checkpoint.find(run).name == "00000005"
    with pytest.raises(ValueError, match=r"00000005.*(no state\.pt|damaged).*use an earlier one"):
        checkpoint.load_state(checkpoint.find(run))


def test_latest_is_found_without_its_link(run: Path) -> None:
    (run / "latest").unlink(missing_ok=True)
    assert checkpoint.find(run).name == checkpoint.find(run / "latest").name == "00000005"


def no_links(path: Path, target: str, **kind: bool) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted", str(path))


def test_a_disk_without_symbolic_links_has_text_files_that_lead_to_the_same(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / "best").unlink()
    monkeypatch.setattr(Path, "symlink_to", no_links)
    checkpoint.settle(checkpoint.find(run), best=2, keep=2)
    assert (run / "best").read_text() == f"checkpoints{os.sep}00000002\n" and steps(run) == [2, 4, 5]
    assert checkpoint.find(run / "best").name == "00000002" and checkpoint.find(run / "latest").name == "00000005"
    assert load_any(run / "best")[1]["step"] == "2" and list_products(run / "latest") == ["a"]
    checkpoint.settle(run / "checkpoints/00000005", best=5, keep=1)
    assert steps(run) == [5] and checkpoint.find(run / "best").name == "00000005"


def test_a_copy_that_has_folders_for_links_goes_on(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    checkpoint.settle(checkpoint.find(run), best=2, keep=9)
    shutil.copytree(run, copy, ignore=lambda folder, names: {"copy"} & set(names))
    assert checkpoint.find(copy / "best") == copy / "checkpoints/00000002"
    checkpoint.settle(checkpoint.find(copy), best=4, keep=1)
    assert (copy / "latest").is_symlink() and (copy / "best").resolve().name == "00000004" and steps(copy) == [4, 5]


def test_checkpoints_that_are_linked_to_another_disk_belong_to_the_run(run: Path, tmp_path: Path) -> None:
    (run / "checkpoints").rename(tmp_path / "disk")
    (run / "checkpoints").symlink_to(tmp_path / "disk")
    for path in (run, run / "best", run / "checkpoints/00000003"):
        assert checkpoint.find(path).parents[1] == run
