"""The manifest makes the next run do what is missing or changed, whatever happened to the last one."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, FolderReport, translate_folder
from i2i_runtime.folder.manifest import Entry, Manifest

CARD = Card(product="a_to_b", in_channels=3, out_channels=3, weights="1" * 64)
OTHER = Card(product="a_to_b", in_channels=3, out_channels=3, weights="2" * 64)
NAMES = ["1.png", "2.png", "deep/3.jpg"]


@pytest.fixture
def tree(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for name in NAMES:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        images.write(tmp_path / "in" / name, rng.integers(0, 256, (10, 11, 3)).astype(np.uint8))
    return tmp_path / "in"


def translate(tree: Path, card: Card = CARD, *, stop: Callable[[], bool] = lambda: False, **options) -> FolderReport:
    network = lambda batch: batch  # noqa: E731
    return translate_folder(network, card, tree, tree.parent / "out", FolderOptions(**options), stop=stop)


def names(paths: list[Path]) -> list[str]:
    return [path.as_posix() for path in paths]


def lines(tree: Path) -> list[dict]:
    return [json.loads(line) for line in (tree.parent / "out" / ".i2i-manifest.jsonl").read_text().splitlines()]


def test_a_line_says_what_was_made_of_what(tree):
    translate(tree, outscale=2)
    assert sorted(line["result"] for line in lines(tree)) == sorted(NAMES)
    for line in lines(tree):
        assert line["source"] == line["result"]
        for side, folder in (("source", "in"), ("result", "out")):
            data = (tree.parent / folder / line[side]).read_bytes()
            assert line[f"{side}_bytes"] == len(data)
            assert line[f"{side}_checksum"] == hashlib.sha256(data).hexdigest()
        assert line["size"] == [20, 22] and line["outscale"] == 2
        assert line["model"]["weights"] == CARD.weights and line["model"]["product"] == "a_to_b"
        assert line["milliseconds"] > 0 and "error" not in line


def test_nothing_is_made_twice_and_no_line_is_added(tree):
    assert names(translate(tree).done) == NAMES
    before = lines(tree)
    again = translate(tree)
    assert (again.done, names(again.skipped), again.unknown) == ([], NAMES, [])
    assert lines(tree) == before


def test_an_image_that_changed_is_made_again_and_one_that_was_only_touched_is_not(tree):
    translate(tree)
    os.utime(tree / "1.png")
    changed = np.full((10, 11, 3), 7, np.uint8)
    images.write(tree / "2.png", changed)
    assert names(translate(tree).done) == ["2.png"]
    assert (images.read(tree.parent / "out" / "2.png") == changed).all()


def test_an_image_that_changed_without_changing_size_is_made_again(tree):
    images.write(tree / "4.bmp", np.full((10, 11, 3), 7, np.uint8))
    translate(tree)
    images.write(tree / "4.bmp", np.full((10, 11, 3), 8, np.uint8))
    assert names(translate(tree).done) == ["4.bmp"]


def test_a_result_that_is_missing_or_empty_is_made_again(tree):
    translate(tree)
    out = tree.parent / "out"
    (out / "1.png").unlink()
    os.truncate(out / "2.png", 0)  # what a power cut leaves
    assert names(translate(tree).done) == ["1.png", "2.png"]
    assert (out / "2.png").read_bytes() == (tree / "2.png").read_bytes()


def test_a_result_that_somebody_worked_on_is_left_and_said(tree):
    translate(tree)
    (tree.parent / "out" / "1.png").write_bytes(b"retouched")
    images.write(tree / "1.png", np.zeros((3, 3, 3), np.uint8))
    report = translate(tree)
    assert (report.done, names(report.unknown), names(report.skipped)) == ([], ["1.png"], NAMES)
    assert (tree.parent / "out" / "1.png").read_bytes() == b"retouched"
    assert names(translate(tree, overwrite=True).done) == NAMES


def test_another_tile_makes_nothing_again(tree):
    card = Card(product="a_to_b", in_channels=3, out_channels=3, overlap=1)
    translate(tree, card, tile=8)
    assert translate(tree, card, tile=9).done == []


def test_what_failed_is_tried_again(tree):
    bad = tree / "2.png"
    good = bad.read_bytes()
    bad.write_bytes(b"no image")
    assert translate(tree).failed[0][0] == Path("2.png")
    assert [line["error"] for line in lines(tree) if "error" in line] == [
        f"{bad}: not an image; readable: PNG, JPEG, WebP, BMP, TIFF"
    ]
    bad.write_bytes(good)
    assert names(translate(tree).done) == ["2.png"]


def test_another_model_is_refused_before_anything_is_done(tree):
    translate(tree)
    before = lines(tree)
    with pytest.raises(ValueError, match=r"out: has 3 results of another model \(weights '111111111111'\); choose an"):
        translate(tree, OTHER)
    assert lines(tree) == before
    assert names(translate(tree).skipped) == NAMES, "the first one goes on"


def test_precision_and_test_time_are_part_of_a_model(tree):
    translate(tree)
    for facts in ({"precision": "int8"}, {"test_time": "published"}):
        with pytest.raises(ValueError, match="results of another model"):
            translate(tree, Card(product="a_to_b", in_channels=3, out_channels=3, weights="1" * 64, **facts))


def test_mixing_on_request_keeps_what_is_there(tree):
    translate(tree)
    (tree.parent / "out" / "1.png").unlink()
    report = translate(tree, OTHER, mix=True)
    assert (names(report.done), names(report.skipped)) == (["1.png"], NAMES[1:])


def test_overwriting_makes_all_again_and_goes_on_after_a_break(tree):
    translate(tree)
    answers = iter([False, True])
    assert names(translate(tree, OTHER, overwrite=True, stop=lambda: next(answers)).done) == NAMES[:1]
    report = translate(tree, OTHER)
    assert (names(report.done), names(report.skipped)) == (NAMES[1:], NAMES[:1])
    assert translate(tree, OTHER).done == []


def test_a_file_of_unknown_origin_is_left_and_said(tree):
    mine = tree.parent / "out" / "1.png"
    mine.parent.mkdir()
    mine.write_bytes(b"somebody's own")
    report = translate(tree)
    assert (names(report.unknown), names(report.skipped), names(report.done)) == (["1.png"], ["1.png"], NAMES[1:])
    assert mine.read_bytes() == b"somebody's own"
    assert names(translate(tree, overwrite=True).done) == NAMES


def test_a_line_that_was_cut_off_is_left_out_and_the_next_one_is_whole(tree):
    translate(tree)
    path = tree.parent / "out" / ".i2i-manifest.jsonl"
    whole = path.read_bytes()
    last = json.loads(whole.splitlines()[-1])["result"]
    (tree.parent / "out" / last).unlink()
    for length in range(2, len(whole.splitlines()[-1]), 50):
        path.write_bytes(whole[:-length])
        assert len(Manifest(tree.parent / "out").entries) == 2
    assert names(translate(tree).done) == [last]
    assert len(Manifest(tree.parent / "out").entries) == 3


def test_a_line_of_version_0_1_is_understood(tree):
    out = tree.parent / "out"
    translate(tree)
    status = (tree / "1.png").stat()
    (out / ".i2i-manifest.jsonl").write_text(
        f'{{"source": "1.png", "result": "1.png", "source_bytes": {status.st_size}, "source_modified": '
        f'{status.st_mtime_ns}, "source_checksum": "0", "result_bytes": {(out / "1.png").stat().st_size}, '
        '"result_checksum": "0", "model": {"product": "a_to_b", "weights": "' + "1" * 64 + '", "precision": "float32", '
        '"test_time": ""}, "size": [10, 11], "milliseconds": 1.7, "finished": 1796011405.5}\n'
    )
    report = translate(tree)
    assert (names(report.unknown), names(report.skipped)) == (NAMES[1:], NAMES)


@pytest.mark.parametrize(
    "line", [b"null", b"[]", b"3", b'{"source": "a"}', b'{"source": 1, "result": []}', b"\xff\xfe"]
)
def test_lines_that_are_none_are_left_out(tmp_path, line):
    (tmp_path / ".i2i-manifest.jsonl").write_bytes(line + b'\n{"source": "a", "result": "b", "of a later one": 1}\n')
    assert list(Manifest(tmp_path).entries) == ["b"]


def test_the_newest_line_of_all_manifests_counts(tmp_path):
    for part, error in (("", "first"), ("-1-of-2", "second"), ("-0-of-2", "third")):
        manifest = Manifest(tmp_path, part)
        manifest.add(Entry(source="a", result="a", error=error))
        manifest.close()
    assert Manifest(tmp_path).entries["a"].error == "third"


def test_names_that_are_not_utf_8_are_known_again(tree):
    name = os.fsdecode(b"caf\xe9.png")
    try:
        (tree / name).write_bytes((tree / "1.png").read_bytes())
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    assert len(translate(tree).done) == 4
    assert translate(tree).done == []


def test_a_single_image_leaves_no_manifest(tree, tmp_path):
    translate_folder(lambda batch: batch, CARD, tree / "1.png", tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["1.png"]
    assert names(translate_folder(lambda batch: batch, CARD, tree / "1.png", tmp_path / "out").skipped) == ["1.png"]


def test_a_manifest_that_cannot_be_read_is_a_sentence(tree):
    (tree.parent / "out" / ".i2i-manifest.jsonl").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"\.i2i-manifest\.jsonl: cannot be read \(Is a directory\)"):
        translate(tree)


@pytest.mark.parametrize("shards", [("", ""), ("-0-of-2", "-1-of-2"), ("-1-of-2", "-0-of-2")])
def test_the_later_run_counts_when_the_clock_was_set_back(tmp_path, monkeypatch, shards):
    for shard, now, error in zip(shards, (2e9, 1e9), ("earlier", ""), strict=True):
        monkeypatch.setattr("time.time", lambda now=now: now)
        manifest = Manifest(tmp_path, shard)
        manifest.add(Entry(source="a", result="a", error=error))
        manifest.close()
    assert Manifest(tmp_path).entries["a"].error == ""


def test_lines_of_version_0_1_in_one_file_count_in_their_order(tmp_path):
    old = [{"source": "a", "result": "a", "finished": at, "error": str(at)} for at in (2.0, 1.0)]
    (tmp_path / ".i2i-manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    assert Manifest(tmp_path).entries["a"].error == "1.0"


def test_two_files_of_the_same_weights_are_two_models(tree):
    def run(file: str, **options) -> FolderReport:
        options = FolderOptions(**options)
        return translate_folder(lambda batch: batch, CARD, tree, tree.parent / "out", options, file=file)

    assert len(run("1" * 64).done) == 3 and run("1" * 64).done == []
    with pytest.raises(ValueError, match=r"has 3 results of another model .file '111111111111'.; choose another"):
        run("2" * 64)
    assert len(run("2" * 64, overwrite=True).done) == 3
    assert run("").done == [], "the same weights in torch, which have no file"


def test_images_of_16_bits_that_lose_levels_are_counted(tree):
    images.write(tree / "16.png", np.full((4, 4, 3), 1000, np.uint16))
    for io, count in (("uint8", 1), ("float", 0)):
        card = replace(CARD, io=io)
        report = translate_folder(lambda batch: batch, card, tree, tree.parent / io)
        assert len(report.coarse) == count
        assert ("256 levels now, since the file takes and gives 8 bits: 1;" in "\n".join(report.lines())) == bool(count)


def test_lines_that_are_no_entries_are_left_out(tmp_path):
    good = {"source": "a.png", "result": "a.png", "size": [4, 6]}
    strange = [None, [], 7, {}, *({**good, "result": "b.png", key: value} for key, value in STRANGE)]
    lines = [json.dumps(each) for each in [*strange, good]] + ["[" * 100_000]
    (tmp_path / ".i2i-manifest.jsonl").write_text("\n".join(lines))
    assert list(Manifest(tmp_path).entries) == ["a.png"]


STRANGE = [
    ("source", 7), ("result", None), ("size", 7), ("size", ["x"]), ("finished", "late"), ("finished", float("nan")),
    ("model", []), ("model", {"weights": 7}), ("tile", 1.5), ("outscale", "2"), ("source_bytes", 10**30), ("error", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "number", "words"),
    [
        ({"outscale": 2}, 3, "outscale unset, now 2"),
        ({"quality": 30}, 1, "quality unset, now 30"),  # of the JPEG; PNG has none
        ({"keep_hidden": True}, 3, "keep_hidden False, now True"),
    ],
)
def test_results_of_other_settings_are_refused_and_kept_or_made_again_on_request(tree, setting, number, words):
    assert len(translate(tree).done) == 3
    before = lines(tree)
    with pytest.raises(ValueError, match=rf"out: has {number} results of other settings \({words}\); choose another"):
        translate(tree, **setting)
    assert lines(tree) == before
    assert names(translate(tree, **setting, mix=True).skipped) == NAMES
    assert len(translate(tree, **setting, overwrite=True).done) == 3 and translate(tree, **setting).done == []
