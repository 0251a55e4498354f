"""A tree becomes a mirrored tree: whole files only, nothing lost to a bad neighbour, nothing done twice."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, FolderProgress, translate_folder

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
    assert translate_folder(identity, CARD, tree, tmp_path / "out", FolderOptions(overwrite=True)).done == listed(NAMES)


def test_bad_images_are_reported_and_the_others_done(tree, tmp_path):
    (tree / "2.png").write_bytes((tree / "2.png").read_bytes()[:200])
    (tree / "3.png").write_bytes(b"")
    images.write(tree / "4.png", np.zeros((5, 5, 3), np.uint8))
    (tmp_path / "out" / "10.png").mkdir(parents=True)
    events: list[FolderProgress] = []
    report = translate_folder(
        refuse_dark, CARD, tree, tmp_path / "out", FolderOptions(threads=1), progress=events.append
    )
    assert report.done == listed(["1.png", *NAMES[3:]])
    assert [name for name, _ in report.failed] == listed(["2.png", "3.png", "4.png", "10.png"])
    sentences = [sentence for _, sentence in report.failed]
    assert sentences[0].startswith(f"{tree}/2.png: the file is truncated")
    assert sentences[1] == f"{tree}/3.png: the file is empty"
    assert sentences[2] == f"{tree}/4.png: RuntimeError: out of memory"
    assert sentences[3].startswith(f"{tmp_path}/out/10.png: cannot be written (Is a directory")
    assert [event.finished for event in events] == list(range(1, 8))
    assert {event.total for event in events} == {7}
    assert [event.error for event in events if event.error] == sentences


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
    report = translate_folder(identity, CARD, tmp_path / "in", tmp_path / "out", FolderOptions(threads=1))
    assert "No space left on device" in report.stopped
    assert report.stopped == report.failed[0][1]
    assert len(report.failed) < 10
    assert os.listdir(tmp_path / "out") == [".i2i-manifest.jsonl"]


def test_a_disk_that_is_too_full_for_the_manifest_stops_early(tree, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    report = translate_folder(refuse_dark, CARD, tree, tmp_path / "out", FolderOptions(threads=1))
    assert "No space left on device" in report.stopped
    assert images.list_images(tmp_path / "out") == []


def test_stop_leaves_the_rest_for_the_next_run(tree, tmp_path):
    answers = iter([False, False, True])
    report = translate_folder(identity, CARD, tree, tmp_path / "out", stop=lambda: next(answers))
    assert report.done == listed(NAMES[:2])
    assert report.stopped == "on request"
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


def test_a_target_whose_folders_lead_into_the_source_is_refused_and_the_originals_stay(tree, tmp_path):
    """Each result's real folder counts, not that of the target alone."""
    (tmp_path / "in" / "sub").mkdir(exist_ok=True)
    images.write(tmp_path / "in" / "sub" / "x.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "elsewhere").mkdir()
    before = {file: file.read_bytes() for file in (tmp_path / "in").rglob("*.png")}
    for name, leads_to in [("into", tmp_path / "in" / "sub"), ("top", tmp_path / "in")]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "sub").symlink_to(leads_to, target_is_directory=True)
        with pytest.raises(ValueError, match=f"{name}/sub: lies in the source"):
            translate_folder(identity, CARD, tmp_path / "in", tmp_path / name, FolderOptions(overwrite=True))
    assert before == {file: file.read_bytes() for file in (tmp_path / "in").rglob("*.png")}


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_a_source_that_links_into_the_target_is_refused(tree, tmp_path, linked):
    """Its results would take the place of what it links to."""
    original = tmp_path / "out" / "sub" / "x.png"
    original.parent.mkdir(parents=True)
    images.write(original, np.zeros((4, 4, 3), np.uint8))
    before = original.read_bytes()
    if linked == "folder":
        (tmp_path / "in" / "sub").symlink_to(original.parent, target_is_directory=True)
    else:
        (tmp_path / "in" / "sub").mkdir()
        (tmp_path / "in" / "sub" / "x.png").symlink_to(original)
    with pytest.raises(ValueError, match="out: lies in the source"):
        translate_folder(identity, CARD, tmp_path / "in", tmp_path / "out", FolderOptions(overwrite=True))
    assert original.read_bytes() == before


def test_a_large_image_is_heard_of_before_it_is_done(tmp_path):
    for name, side in (("large", 30), ("small", 8)):
        (tmp_path / "in").mkdir(exist_ok=True)
        images.write(tmp_path / "in" / f"{name}.png", np.zeros((side, side, 3), np.uint8))
    card = Card(product="generator", in_channels=3, out_channels=3, overlap=1)
    heard = []
    within, progress = lambda name, share: heard.append((name, share)), lambda at: heard.append(at.name)
    options = FolderOptions(tile=16)
    translate_folder(identity, card, tmp_path / "in", tmp_path / "out", options, within=within, progress=progress)
    large = Path("large.png")
    assert heard == [(large, 0.25), (large, 0.5), (large, 0.75), (large, 1.0), large, Path("small.png")]


def test_results_are_the_same_for_every_batch_and_number_of_workers(tree, tmp_path):
    for index in range(8):
        images.write(tree / f"equal{index}.png", np.full((9, 9, 3), index, np.uint8))
    for batch, workers in ((3, 1), (1, 3), (2, 2)):
        out = tmp_path / f"{batch}x{workers}"
        report = translate_folder(identity, CARD, tree, out, FolderOptions(batch=batch, workers=workers))
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

    report = translate_folder(network, CARD, tmp_path / "in", tmp_path / "out", FolderOptions(batch=4))
    assert len(report.done) == 10 and [name.name for name, _ in report.failed] == ["5.png", "7.png"]
    assert report.failed[0][1].endswith("5.png: RuntimeError: a black image")
    assert max(shapes) == 4


def test_batches_are_refused_where_images_would_mix(tree, tmp_path):
    card = Card(product="generator", in_channels=3, out_channels=3, test_time="published")
    with pytest.raises(ValueError, match="batch: generator runs on the statistics of its batch; allowed: 1"):
        translate_folder(identity, card, tree, tmp_path / "out", FolderOptions(batch=2))


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
