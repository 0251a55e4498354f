"""A folder of large images is translated in little more memory than one image and its result."""

import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, pipeline, translate_folder
from tests.runtime.pictures import noise

X4 = Card(product="generator", in_channels=3, out_channels=3, scale=4, overlap=8)


def repeat(batch: np.ndarray) -> np.ndarray:
    return batch.repeat(4, axis=2).repeat(4, axis=3)


def test_large_results_do_not_pile_up(tmp_path, monkeypatch):
    for index in range(6):
        (tmp_path / "in").mkdir(exist_ok=True)
        images.write(tmp_path / "in" / f"{index}.png", np.zeros((50, 50, 3), np.uint8))
    monkeypatch.setattr(pipeline, "MAX_WAITING", 50 * 50 * 3 * 20)  # one result, or twenty images
    alive, most, lock = 0, 0, threading.Lock()
    encode = pipeline.encode

    def counted(*arguments, **options):
        nonlocal alive
        encode(*arguments, **options)
        with lock:
            alive -= 1

    def network(batch):
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return repeat(batch)

    monkeypatch.setattr(pipeline, "encode", counted)
    assert len(translate_folder(network, X4, tmp_path / "in", tmp_path / "out", FolderOptions(threads=3)).done) == 6
    assert most <= 2, "the one that is made, and one that is written"


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, translate_folder

def network(batch):
    return batch.repeat(4, axis=2).repeat(4, axis=3)

card = Card(product="g", in_channels=3, out_channels=3, scale=4, overlap=8)
translate_folder(network, card, Path(sys.argv[1]), Path(sys.argv[2]), FolderOptions(tile=64))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = translate_folder(network, card, Path(sys.argv[3]), Path(sys.argv[2]), FolderOptions(tile=128))
assert not report.failed, report.failed
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="counts bytes instead of kibibytes")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_memory_is_little_more_than_the_image_and_its_result(tmp_path, suffix):
    images.write(tmp_path / "small.png", np.zeros((9, 9, 3), np.uint8))
    smooth = cv2.resize(noise(10, 10, 3), (1200, 1000), interpolation=cv2.INTER_CUBIC)
    images.write(tmp_path / f"a{suffix}", smooth)
    command = [sys.executable, "-c", MEMORY, tmp_path / "small.png", tmp_path / "out", tmp_path / f"a{suffix}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    needed = 1200 * 1000 * 3 * (1 + 16)
    assert int(done.stdout) * 1024 < 1.6 * needed + 2**24, "a second result would be 1.9 times that"
