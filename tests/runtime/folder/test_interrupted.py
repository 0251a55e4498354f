"""A run that is interrupted or killed leaves whole files only, and the next one goes on where it stopped."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import translate_folder
from tests.waits import HANGS

CARD = Card(product="generator", in_channels=3, out_channels=3)

INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, translate_folder

signal.signal(signal.SIGINT, signal.default_int_handler)  # which what runs in the background is born without

def slow(batch):
    time.sleep(0.1)
    return batch

card = Card(product="generator", in_channels=3, out_channels=3)
translate_folder(slow, card, Path(sys.argv[1]), Path(sys.argv[2]), FolderOptions(carry=sys.argv[3:]))
"""


def python(code: str, *arguments: Path | str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(Path(images.__file__).parents[2])}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_whole_files_only(tmp_path, by):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for index in range(60):
        images.write(tmp_path / "in" / f"{index}.png", rng.integers(0, 256, (200, 200, 3)).astype(np.uint8))
    process = python(INTERRUPTED, tmp_path / "in", tmp_path / "out")
    deadline = time.monotonic() + HANGS
    while not (tmp_path / "out" / "5.png").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(by)
    process.communicate(timeout=HANGS)
    assert process.returncode != 0
    made = images.list_images(tmp_path / "out")
    assert 5 < len(made) < 60
    for name in made:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "in" / name).read_bytes()
    report = translate_folder(lambda batch: batch, CARD, tmp_path / "in", tmp_path / "out")
    assert report.skipped == made
    assert len(report.done) == 60 - len(made)


def test_a_killed_run_goes_on_and_nothing_is_done_twice(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "in" / "labels").mkdir(parents=True)
    for index in range(300):
        images.write(tmp_path / "in" / f"{index}.png", rng.integers(0, 256, (8, 8, 3)).astype(np.uint8))
        images.write(tmp_path / "in" / "labels" / f"{index}.png", rng.integers(0, 9, (8, 8, 1)).astype(np.uint8))
    fast = INTERRUPTED.replace("0.02", "0.002")
    process = python(fast, tmp_path / "in", tmp_path / "out", "labels/**")
    deadline = time.monotonic() + HANGS
    while not (tmp_path / "out" / "150.png").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.communicate(timeout=HANGS)
    made = {path: path.stat() for path in (tmp_path / "out").rglob("[!.]*") if path.is_file()}
    assert 150 < len(made) < 600
    process = python(fast, tmp_path / "in", tmp_path / "out", "labels/**")
    assert process.communicate(timeout=HANGS) == (None, b"") and process.returncode == 0
    names = [path.relative_to(tmp_path / "in") for path in (tmp_path / "in").rglob("*.png")]
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "in" / name).read_bytes()
    for path, before in made.items():
        assert path.stat().st_ino == before.st_ino, "what was there was not made again"
    lines = [json.loads(line) for line in (tmp_path / "out" / ".i2i-manifest.jsonl").read_text().splitlines() if line]
    by_name = Counter(line["result"] for line in lines)
    assert len(by_name) == len(names) == 600
    for path in made:
        assert by_name[path.relative_to(tmp_path / "out").as_posix()] == 1
    for line in lines:
        digest = hashlib.sha256((tmp_path / "out" / line["result"]).read_bytes()).hexdigest()
        assert line["result_checksum"] == line["source_checksum"] == digest
