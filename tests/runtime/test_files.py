"""Files are written whole or not at all, and a failed write leaves nothing behind."""

import os
import shlex
import stat
from pathlib import Path

import pytest

from i2i_runtime.files import escape_controls, open_regular_file, printable, shell_word, write_atomically


def full_disk(*_) -> None:
    raise OSError(28, "No space left on device")


def test_a_file_appears_when_its_block_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with write_atomically(file) as temporary:
        temporary.write_text("whole")
        assert not file.exists() and temporary.parent == tmp_path and temporary.name.startswith(".")
        assert temporary.suffix == ".txt", "by which a writer chooses the format"
    assert file.read_text() == "whole" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("failing", ["block", "fsync", "replace"])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_failed_write_leaves_neither_the_file_nor_a_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, before: bytes | None
) -> None:
    file = tmp_path / "a.bin"
    if before is not None:
        file.write_bytes(before)
    if failing != "block":
        monkeypatch.setattr(os, failing, full_disk)
    with pytest.raises(OSError, match="No space left"), write_atomically(file, sync=True) as temporary:
        temporary.write_bytes(b"half")
        if failing == "block":
            full_disk()
    assert os.listdir(tmp_path) == ([] if before is None else ["a.bin"])
    assert before is None or file.read_bytes() == before


def test_ctrl_c_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), write_atomically(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mask", [0o022, 0o007, 0o077])
def test_a_file_that_a_library_wrote_for_its_owner_alone_follows_the_umask(tmp_path: Path, mask: int) -> None:
    file = tmp_path / "a.safetensors"
    before = os.umask(mask)
    try:
        with write_atomically(file) as temporary:
            temporary.touch(0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask and os.listdir(tmp_path) == [file.name]


def test_an_error_names_the_file_and_not_its_temporary(tmp_path: Path) -> None:
    file = tmp_path / "gone" / "a.txt"
    with pytest.raises(FileNotFoundError) as error, write_atomically(file) as temporary:
        temporary.write_text("x")
    assert error.value.filename == str(file)


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with write_atomically(file) as first, write_atomically(file) as second:
        first.write_text("first")
        second.write_text("second")
    assert file.read_text() == "first", "whoever ends last"


def test_bytes_are_on_the_disk_before_the_file_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append((tmp_path / "a.txt").exists()))
    for sync in (False, True):
        with write_atomically(tmp_path / "a.txt", sync=sync) as temporary:
            temporary.write_text("x")
        (tmp_path / "a.txt").unlink()
    assert synced == [False]


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "a." + "s" * 253, "猫" * 80 + ".png"])
def test_any_name_that_the_disk_takes_is_written(tmp_path: Path, name: str) -> None:
    with write_atomically(tmp_path / name) as temporary:
        temporary.write_bytes(b"x")
    assert os.listdir(tmp_path) == [name]


def test_a_file_has_the_mode_that_the_user_wants(tmp_path: Path) -> None:
    """Not that of the system's temporary files."""
    with write_atomically(tmp_path / "a") as temporary:
        temporary.touch()
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, said in {"pipe": "a device or pipe", "": "a folder", "gone": r"cannot be read \(No such file"}.items():
        with pytest.raises(ValueError, match=said), open_regular_file(tmp_path / name):
            pass


def test_a_name_that_is_not_utf_8_can_be_printed() -> None:
    assert printable(Path(os.fsdecode(b"caf\xe9.png"))) == "caf\N{REPLACEMENT CHARACTER}.png"


def test_control_characters_of_names_do_not_reach_the_terminal() -> None:
    assert printable(Path("a\x1b[2Jb\nc\x9b.png")) == "a\\x1b[2Jb\\nc\\x9b.png"
    assert printable(Path("\u732b \u00e9.png")) == "\u732b \u00e9.png"
    assert escape_controls("two\nlines\x1b]0;title\x07") == "two\nlines\\x1b]0;title\\x07"


@pytest.mark.parametrize("name", ["run", "my run", "a'b", "$HOME", "x;y"])
def test_a_path_in_a_command_is_one_word_of_it(name: str) -> None:
    assert shlex.split(f"i2i train --resume {shell_word(Path(name))}") == ["i2i", "train", "--resume", name]
