"""One process at a time works on the same results, whatever became of the one before."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, lock, translate_folder

CARD = Card(product="a_to_b", in_channels=3, out_channels=3, weights="1" * 64)
OTHER = Card(product="a_to_b", in_channels=3, out_channels=3, weights="2" * 64)

WAITING = """
import sys
from pathlib import Path
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, translate_folder

def wait(batch):
    print("begun", flush=True)
    sys.stdin.read()
    return batch

card = Card(product="a_to_b", in_channels=3, out_channels=3, weights="1" * 64)
translate_folder(wait, card, Path("in"), Path("out"), FolderOptions(shard=sys.argv[1] or None))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for index in range(8):
        images.write(tmp_path / "in" / f"{index}.png", np.full((4, 4, 3), index, np.uint8))
    return tmp_path


def translate(tree: Path, card: Card = CARD, **options) -> int:
    return len(translate_folder(lambda batch: batch, card, tree / "in", tree / "out", FolderOptions(**options)).done)


@contextmanager
def another_process(tree: Path, shard: str = "") -> Iterator[subprocess.Popen]:
    """One that is in the midst of the work, and is killed in the end."""
    environment = os.environ | {"PYTHONPATH": str(Path(images.__file__).parents[2])}
    command = [sys.executable, "-c", WAITING, shard]
    with subprocess.Popen(command, env=environment, cwd=tree, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"begun\n"
        yield process
        process.send_signal(signal.SIGKILL)


def test_a_second_process_is_refused_and_the_death_of_the_first_frees_the_folder(tree: Path) -> None:
    with another_process(tree) as first:
        sentence = rf"out: process {first.pid} on {socket.gethostname()} translates the same files; wait for its end"
        for options in ({}, {"overwrite": True}, {"mix": True}):
            with pytest.raises(ValueError, match=sentence):
                translate(tree, **options)
        with pytest.raises(ValueError, match=rf"process {first.pid} on .* translates files of this shard too"):
            translate(tree, shard="1/2")
        assert images.list_images(tree / "out") == []
    assert (tree / "out" / ".i2i-lock").exists()
    assert translate(tree) == 8
    assert not list((tree / "out").glob(".i2i-lock*"))


def test_shards_share_a_folder_where_they_share_no_file_and_do_the_same(tree: Path) -> None:
    with another_process(tree, "0/2") as first:
        with pytest.raises(ValueError, match=f"process {first.pid} on .* the same files"):
            translate(tree, shard="0/2")
        for shard in ("0/4", "2/3", "0/1"):
            with pytest.raises(ValueError, match=f"process {first.pid} on .* translates files of this shard too"):
                translate(tree, shard=shard)
        for card, options in ((OTHER, {}), (CARD, {"outscale": 2}), (OTHER, {"overwrite": True})):
            with pytest.raises(ValueError, match="into it with another model or other settings"):
                translate(tree, card, shard="1/2", **options)
        done = translate(tree, shard="1/4") + translate(tree, shard="3/4")
        assert 0 < done < 8 and translate(tree, shard="1/2") == 0
    assert translate(tree) == 8 - done


@pytest.mark.parametrize("refusal", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_the_process_and_the_machine_count(
    tree: Path, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(refusal, os.strerror(refusal))

    assert lock.fcntl
    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    file = tree / "out" / ".i2i-lock"
    file.parent.mkdir()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    for pid, host, is_alive in (
        (os.getppid(), socket.gethostname(), True), (ended.pid, socket.gethostname(), False), (ended.pid, "else", True)
    ):  # fmt: skip
        file.write_text(json.dumps({"pid": pid, "host": host, "shard": [0, 1]}))
        if is_alive:
            advice = r".*; if it runs no more, delete \.i2i-lock there" * (host == "else")
            with pytest.raises(ValueError, match=rf"process {pid} on {host} translates the same files{advice}"):
                translate(tree)
        else:
            assert translate(tree) == 8 and not file.exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pid": "x"}', '{"pid": 1, "shard": [3, 2]}', "[" * 10**5])
def test_whatever_a_lock_file_says_an_ended_process_has_no_lock(tree: Path, text: str) -> None:
    (tree / "out").mkdir()
    (tree / "out" / ".i2i-lock").write_text(text)
    (tree / "out" / ".i2i-lock-1-of-2").write_text(text)
    assert translate(tree) == 8


def test_a_single_image_needs_no_lock(tree: Path) -> None:
    (tree / "out").mkdir()
    with another_process(tree):
        report = translate_folder(lambda batch: batch, CARD, tree / "in" / "0.png", tree / "out" / "0.png")
        assert len(report.done) == 1
