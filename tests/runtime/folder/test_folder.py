"""A tree becomes a mirrored tree: whole files only, nothing lost to a bad neighbour, nothing done twice."""

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

from i2i_runtime import folder, images
from i2i_runtime.card import Card
from i2i_runtime.folder import Progress, translate_folder

CARD = Card(product="generator", in_channels=3, out_channels=3)
NAMES = ["1.png", "2.png", "10.png", "a b/deep/er/x.png", "a b/猫.PNG"]  # in natural order


def identity(batch: np.ndarray) -> np.ndarray:
    return batch


def refuse_dark(batch: np.ndarray) -> np.ndarray:
    if batch.max() < 0.1:
        raise RuntimeError("out of memory")
    return batch


@pytest.fixture
def tree(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for index, name in enumerate(NAMES):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        images.write(path, rng.integers(0, 256, (20 + index, 31, 3)).astype(np.uint8))
    return tmp_path / "in"


def listed(names: list[str]) -> list[Path]:
    return [Path(name) for name in names]


def test_the_identity_gives_the_same_tree(tree, tmp_path):
    report = translate_folder(identity, CARD, tree, tmp_path / "out")
    assert (report.done, report.skipped, report.failed, report.stopped) == (listed(NAMES), [], [], "")
    assert images.list_images(tmp_path / "out") == listed(NAMES)
    for name in NAMES:
        assert (tmp_path / "out" / name).read_bytes() == (tree / name).read_bytes()


def test_formats_depths_and_sizes_are_kept(tmp_path):
    (tmp_path / "in").mkdir()
    images.write(tmp_path / "in" / "a.jpg", np.full((8, 9, 3), 77, np.uint8))
    images.write(tmp_path / "in" / "b.tif", np.full((8, 9, 4), 777, np.uint16))
    images.write(tmp_path / "in" / "c.webp", np.full((8, 9, 3), 77, np.uint8))
    translate_folder(identity, CARD, tmp_path / "in", tmp_path / "out")
    for name in ("a.jpg", "b.tif", "c.webp"):
        assert images.header(tmp_path / "out" / name) == images.header(tmp_path / "in" / name)
    assert (images.read(tmp_path / "out" / "b.tif") == 777).all()


def test_a_second_run_does_only_what_is_missing(tree, tmp_path):
    translate_folder(identity, CARD, tree, tmp_path / "out")
    (tmp_path / "out" / NAMES[3]).unlink()
    calls = []
    report = translate_folder(lambda batch: calls.append(1) or batch, CARD, tree, tmp_path / "out")
    assert len(calls) == 1
    assert report.done == listed(NAMES[3:4])
    assert report.skipped == listed(NAMES[:3] + NAMES[4:])
    assert translate_folder(identity, CARD, tree, tmp_path / "out", overwrite=True).done == listed(NAMES)


def test_bad_images_are_reported_and_the_others_done(tree, tmp_path):
    (tree / "2.png").write_bytes((tree / "2.png").read_bytes()[:200])
    (tree / "3.png").write_bytes(b"")
    images.write(tree / "4.png", np.zeros((5, 5, 3), np.uint8))
    (tmp_path / "out" / "10.png").mkdir(parents=True)
    heard: list[Progress] = []
    report = translate_folder(refuse_dark, CARD, tree, tmp_path / "out", threads=1, progress=heard.append)
    assert report.done == listed(["1.png", *NAMES[3:]])
    assert [name for name, _ in report.failed] == listed(["2.png", "3.png", "4.png", "10.png"])
    sentences = [sentence for _, sentence in report.failed]
    assert sentences[0].startswith(f"{tree}/2.png: the file is truncated")
    assert sentences[1] == f"{tree}/3.png: the file is empty"
    assert sentences[2] == f"{tree}/4.png: RuntimeError: out of memory"
    assert sentences[3].startswith(f"{tmp_path}/out/10.png: cannot be written (Is a directory")
    assert [event.finished for event in heard] == list(range(1, 8))
    assert {event.total for event in heard} == {7}
    assert [event.error for event in heard if event.error] == sentences


def test_what_the_format_cannot_hold_is_reported(tmp_path):
    images.write(tmp_path / "a.png", np.full((5, 5, 4), 200, np.uint8))
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    report = translate_folder(identity, CARD, tmp_path / "a.jpg", tmp_path / "out")
    assert report.failed == [(Path("a.jpg"), f"{tmp_path}/out/a.jpg: .jpg holds no alpha; write a .png, or drop alpha")]
    assert os.listdir(tmp_path / "out") == []


def test_a_full_disk_stops_early_and_leaves_no_parts(tmp_path, monkeypatch):
    for index in range(100):
        (tmp_path / "in").mkdir(exist_ok=True)
        images.write(tmp_path / "in" / f"{index}.png", np.zeros((4, 4, 3), np.uint8))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    report = translate_folder(identity, CARD, tmp_path / "in", tmp_path / "out", threads=1)
    assert "No space left on device" in report.stopped
    assert report.stopped == report.failed[0][1]
    assert len(report.failed) < 10
    assert os.listdir(tmp_path / "out") == [".i2i-manifest.jsonl"]


def test_a_disk_that_is_too_full_for_the_manifest_stops_early(tree, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    report = translate_folder(refuse_dark, CARD, tree, tmp_path / "out", threads=1)
    assert "No space left on device" in report.stopped
    assert images.list_images(tmp_path / "out") == []


def test_stop_leaves_the_rest_for_the_next_run(tree, tmp_path):
    answers = iter([False, False, True])
    report = translate_folder(identity, CARD, tree, tmp_path / "out", stop=lambda: next(answers))
    assert report.done == listed(NAMES[:2])
    assert report.stopped == "stopped on request"
    assert translate_folder(identity, CARD, tree, tmp_path / "out").done == listed(NAMES[2:])


def test_one_image_goes_to_a_folder_or_to_a_file_of_another_format(tree, tmp_path):
    assert translate_folder(identity, CARD, tree / "1.png", tmp_path / "folder").done == [Path("1.png")]
    translate_folder(identity, CARD, tree / "1.png", tmp_path / "new" / "b.tif")
    given = images.read(tree / "1.png")
    np.testing.assert_array_equal(images.read(tmp_path / "folder" / "1.png"), given)
    np.testing.assert_array_equal(images.read(tmp_path / "new" / "b.tif"), given)


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("in", "in", "in: lies in the source, .*in; choose another"),
        ("in", "in/out", "in/out: lies in the source"),
        ("in", "in/../in/out", "lies in the source"),
        ("in/1.png", "in", "lies in the source"),
        ("in/1.png", "in/1.png", "lies in the source"),
        ("nowhere", "out", "nowhere: no such file or folder"),
        ("empty", "out", "empty: no images in this folder; choose from: .png"),
        ("in", "file/out", r"file/out: cannot be made \(Not a directory\)"),
    ],
)
def test_trees_that_cannot_be_translated_are_refused_first(tree, tmp_path, source, target, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=sentence):
        translate_folder(identity, CARD, tmp_path / source, tmp_path / target)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("waiting", "most"), [(2**28, 4), (1, 1), (100, 3)])
def test_decoding_and_encoding_stay_near_the_network(tmp_path, monkeypatch, waiting, most):
    monkeypatch.setattr(folder, "_WAITING", waiting)  # bytes; an image has 48
    for index in range(40):
        (tmp_path / "in").mkdir(exist_ok=True)
        images.write(tmp_path / "in" / f"{index}.png", np.zeros((4, 4, 3), np.uint8))
    read, seen, ahead = images.read_with_profile, [], []
    monkeypatch.setattr(images, "read_with_profile", lambda path: seen.append(path) or read(path))

    def network(batch):
        ahead.append(len(seen) - len(ahead))
        return batch

    translate_folder(network, CARD, tmp_path / "in", tmp_path / "out", threads=2)
    assert len(ahead) == 40
    assert 1 <= max(ahead) <= most  # twice the threads, or what the memory holds; with the one at hand


INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from i2i_runtime.card import Card
from i2i_runtime.folder import translate_folder

signal.signal(signal.SIGINT, signal.default_int_handler)  # which what runs in the background is born without

def slow(batch):
    time.sleep(0.1)
    return batch

card = Card(product="generator", in_channels=3, out_channels=3)
translate_folder(slow, card, Path(sys.argv[1]), Path(sys.argv[2]), carry=sys.argv[3:])
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
    deadline = time.monotonic() + 30
    while not (tmp_path / "out" / "5.png").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(by)
    process.communicate(timeout=30)
    assert process.returncode != 0
    made = images.list_images(tmp_path / "out")
    assert 5 < len(made) < 60
    for name in made:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "in" / name).read_bytes()
    report = translate_folder(identity, CARD, tmp_path / "in", tmp_path / "out")
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
    deadline = time.monotonic() + 30
    while not (tmp_path / "out" / "150.png").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.communicate(timeout=30)
    made = {path: path.stat() for path in (tmp_path / "out").rglob("[!.]*") if path.is_file()}
    assert 150 < len(made) < 600
    process = python(fast, tmp_path / "in", tmp_path / "out", "labels/**")
    assert process.communicate(timeout=60) == (None, b"") and process.returncode == 0
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


def test_results_are_the_same_however_many_go_through_at_once(tree, tmp_path):
    for index in range(8):
        images.write(tree / f"equal{index}.png", np.full((9, 9, 3), index, np.uint8))
    for batch, workers in ((3, 1), (1, 3), (2, 2)):
        out = tmp_path / f"{batch}x{workers}"
        report = translate_folder(identity, CARD, tree, out, batch=batch, workers=workers)
        assert (report.done, report.failed) == (images.list_images(tree), [])
        for name in report.done:
            assert (out / name).read_bytes() == (tree / name).read_bytes()


def test_a_bad_image_does_not_take_its_batch_along(tmp_path):
    (tmp_path / "in").mkdir()
    for index in range(12):
        images.write(tmp_path / "in" / f"{index}.png", np.full((6, 6, 3), 0 if index == 5 else 99, np.uint8))
    (tmp_path / "in" / "7.png").write_bytes(b"no image")
    shapes = []

    def network(batch):
        shapes.append(batch.shape[0])
        time.sleep(0.05)  # the others are read meanwhile, whatever else the machine does
        if (batch.max(axis=(1, 2, 3)) == 0).any():
            raise RuntimeError("a black image")
        return batch

    report = translate_folder(network, CARD, tmp_path / "in", tmp_path / "out", batch=4)
    assert len(report.done) == 10 and [name.name for name, _ in report.failed] == ["5.png", "7.png"]
    assert report.failed[0][1].endswith("5.png: RuntimeError: a black image")
    assert max(shapes) == 4


def test_batches_are_refused_where_images_would_mix(tree, tmp_path):
    card = Card(product="generator", in_channels=3, out_channels=3, test_time="published")
    with pytest.raises(ValueError, match="batch: generator runs on the statistics of what it is given; allowed: 1"):
        translate_folder(identity, card, tree, tmp_path / "out", batch=2)


def test_a_file_of_one_size_gets_tiles_of_that_size(tmp_path):
    images.write(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (300, 200, 3)).astype(np.uint8))
    card = Card(product="generator", in_channels=3, out_channels=3, overlap=8, size=(1, 64, 64))
    seen = set()

    def network(batch):
        seen.add(batch.shape[2:])
        return batch

    assert not translate_folder(network, card, tmp_path / "a.png", tmp_path / "out").failed
    assert max(max(size) for size in seen) <= 64
    assert (images.read(tmp_path / "out" / "a.png") == images.read(tmp_path / "a.png")).all()


def test_nothing_here_imports_torch_or_i2i():
    code = """
import sys
import i2i_runtime.folder
assert not {"torch", "i2i", "torchvision"} & set(sys.modules), "imported"
"""
    process = python(code)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0, error.decode()
