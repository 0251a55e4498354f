"""Parts of a tree, files to take along, and results in another format."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, FolderReport, translate_folder
from i2i_runtime.folder.jobs import Shard, warnings
from i2i_runtime.folder.manifest import Manifest

CARD = Card(product="generator", in_channels=3, out_channels=3)
PICTURES = ["1.png", "2.png", "town/3.png"]
LABELS = ["labels/1.png", "labels/a.json", "labels/town/3.txt"]


@pytest.fixture
def tree(tmp_path) -> Path:
    for index, name in enumerate([*PICTURES, *LABELS, "notes.txt"]):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            images.write(path, np.full((5, 6, 3), 40 * index, np.uint8))
        else:
            path.write_bytes(os.urandom(100 + index))
    return tmp_path / "in"


def invert(batch: np.ndarray) -> np.ndarray:
    return 1 - batch


def translate(tree: Path, **options) -> FolderReport:
    return translate_folder(invert, CARD, tree, tree.parent / "out", FolderOptions(**options))


def names(paths: list[Path]) -> list[str]:
    return sorted(path.as_posix() for path in paths)


def made(tree: Path) -> list[str]:
    out = tree.parent / "out"
    return names([path.relative_to(out) for path in out.rglob("[!.]*") if path.is_file()])


def test_what_is_carried_is_the_same_bytes_and_not_translated(tree):
    (tree / "labels" / "a.json").chmod(0o444)
    report = translate(tree, carry=["labels/**"])
    assert (names(report.done), names(report.carried)) == (PICTURES, LABELS)
    assert made(tree) == sorted(PICTURES + LABELS)
    entries = Manifest(tree.parent / "out").entries
    for name in LABELS:
        copy, original = tree.parent / "out" / name, tree / name
        assert copy.read_bytes() == original.read_bytes() and copy.stat().st_ino != original.stat().st_ino
        assert entries[name].result_checksum == entries[name].source_checksum != ""
    assert (images.read(tree.parent / "out" / "1.png") == 255).all()
    again = translate(tree, carry=["labels/**"])
    assert again.done == again.carried == [] and len(again.skipped) == 6


def test_a_label_that_changed_is_carried_again(tree):
    translate(tree, carry=["labels/**"])
    (tree / "labels" / "a.json").write_text("{}")
    assert names(translate(tree, carry=["labels/**"]).carried) == ["labels/a.json"]
    assert (tree.parent / "out" / "labels" / "a.json").read_text() == "{}"


def test_links_are_the_same_file_and_overwriting_them_leaves_the_source(tree):
    translate(tree, carry=["labels/**"], link=True)
    label, original = tree.parent / "out" / "labels" / "1.png", tree / "labels" / "1.png"
    assert label.stat().st_ino == original.stat().st_ino
    (tree / "labels" / "a.json").write_text("{}")
    again = translate(tree, carry=["labels/**"], link=True)
    assert [name for name in again.carried if name.suffix != ".json"] == again.unknown == []
    before = original.read_bytes()
    translate(tree, overwrite=True)
    assert original.read_bytes() == before and (images.read(label) == 255 - images.read(original)).all()


@pytest.mark.parametrize(
    ("patterns", "carried"),
    [
        (["labels/*"], ["labels/1.png", "labels/a.json"]),
        (["**/*.txt"], ["labels/town/3.txt", "notes.txt"]),
        (["*.txt", "labels/?.json"], ["labels/a.json", "notes.txt"]),
        (["**/town/*"], ["labels/town/3.txt", "town/3.png"]),
        (["**"], sorted([*PICTURES, *LABELS, "notes.txt"])),
    ],
)
def test_patterns_are_paths_below_the_source(tree, patterns, carried):
    assert names(translate(tree, carry=patterns).carried) == carried


def test_a_pattern_that_matches_nothing_is_refused(tree):
    with pytest.raises(ValueError, match=r"carry: 'labels' matches no file in .*in; a whole folder is 'labels/\*\*'"):
        translate(tree, carry=["labels"])
    with pytest.raises(ValueError, match=r"carry: 'lables/.*' matches no file"):
        translate(tree, carry=["labels/**", "lables/**"])
    with pytest.raises(ValueError, match=r"carry: .*1\.png is one file; allowed with a folder only"):
        translate_folder(invert, CARD, tree / "1.png", tree.parent / "out", FolderOptions(carry=["*"]))
    assert not (tree.parent / "out").exists()


def test_hidden_files_and_loops_of_links_are_not_carried(tree):
    (tree / "labels" / ".hidden").touch()
    (tree / "labels" / "loop").symlink_to(tree, target_is_directory=True)
    assert names(translate(tree, carry=["labels/**"]).carried) == LABELS


@pytest.mark.parametrize("link", [False, True])
def test_a_pipe_among_the_labels_is_a_sentence_and_the_rest_is_carried(tree, link):
    os.mkfifo(tree / "labels" / "pipe")
    report = translate(tree, carry=["labels/**"], link=link)
    assert names(report.carried) == LABELS and report.failed[0][1].startswith(f"{tree}/labels/pipe: a device or pipe")


def test_shards_are_disjoint_and_together_everything(tree):
    parts = [translate(tree, shard=f"{index}/3", carry=["labels/**"]) for index in range(3)]
    assert names([name for part in parts for name in part.done]) == PICTURES
    assert names([name for part in parts for name in part.carried]) == LABELS
    assert sum(part.skipped != [] for part in parts) == 0, "none looks at another's"
    whole = translate(tree, carry=["labels/**"])
    assert whole.done == whole.carried == whole.unknown == [] and len(whole.skipped) == 6


def test_a_name_is_always_in_the_same_shard():
    """So that machines with other versions, orders and subsets agree."""
    names = [Path(f"town/{index}.png") for index in range(1000)]
    sizes = [sum(Shard(index, 4).contains(name) for name in names) for index in range(4)]
    assert sum(sizes) == 1000 and min(sizes) > 200
    first = [next(index for index in range(4) if Shard(index, 4).contains(name)) for name in names[:12]]
    assert first == [2, 1, 2, 0, 0, 3, 2, 1, 3, 0, 2, 0]


@pytest.mark.parametrize("text", ["4/4", "1", "-1/4", "a/b", "1/0", "", "0/4/4"])
def test_shards_that_are_none_are_refused(tree, text):
    with pytest.raises(ValueError, match=f"shard: '{text}' is refused; allowed: 0/4, the first of four, to 3/4"):
        translate(tree, shard=text)


def test_results_come_in_another_format(tree):
    report = translate(tree, format="webp")
    assert names(report.done) == sorted([*PICTURES, "labels/1.png"])
    assert made(tree) == ["1.webp", "2.webp", "labels/1.webp", "town/3.webp"]
    assert (tree.parent / "out" / "1.webp").read_bytes()[8:12] == b"WEBP"
    assert translate(tree, format="webp").done == []


def test_two_images_that_would_become_one_are_refused(tree):
    images.write(tree / "1.jpg", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match=r"format: 1\.jpg and 1\.png would both become 1\.png"):
        translate(tree, format="png")
    with pytest.raises(ValueError, match="format: 'gif' is refused; choose from: png, jpg"):
        translate(tree, format="gif")
    assert not (tree.parent / "out").exists()


def test_results_are_as_readable_as_the_user_wants(tree):
    """Not as a temporary file of the system."""
    translate(tree)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tree.parent / "out" / "1.png").stat().st_mode) == 0o666 & ~mask


def test_a_pattern_that_matches_only_further_down_is_corrected(tree):
    (tree / "frames").mkdir()
    (tree / "labels").rename(tree / "frames/labels")
    with pytest.raises(ValueError, match=r"matches no file in .*it is '\*\*/labels/\*\*'"):
        translate(tree, carry=["labels/**"])


def test_label_maps_that_are_translated_and_kinds_that_are_not_are_said(tree):
    for name in ("a.gif", "b.heic", "c.mp4", "town/d.HEIC"):
        (tree / name).touch()
    unread, labels = warnings(tree, [])
    assert "2 .heic, 1 .gif, 1 .mp4 files" in unread
    assert labels.startswith("1 images in folders of labels") and "--carry '**/labels/**'" in labels
    assert warnings(tree, ["**/labels/**", "*.gif", "**/*.heic", "**/*.HEIC", "*.mp4"]) == []
