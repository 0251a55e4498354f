"""Label maps are found where a user keeps them, and what is missing or ambiguous is named."""

from pathlib import Path

import numpy as np
import pytest

from i2i.data.batch import LabelledUnpaired, Segmentation, Unpaired
from i2i.data.sources import Files, SampleKind, find_files, open_samples
from i2i.recipe import Recipe, load
from i2i.recipe import find as find_recipe
from tests.data.files import written

NAMES = ("0001", "0002", "city/0003")


def frames(folder: Path, names: tuple[str, ...] = NAMES, end: str = ".png") -> None:
    for name in names:
        written(folder / f"{name}{end}", np.full((6, 8, 3), 9, np.uint8))


def maps(folder: Path, names: tuple[str, ...] = NAMES, end: str = ".png") -> None:
    for name in names:
        written(folder / f"{name}{end}", np.arange(48, dtype=np.uint8).reshape(6, 8, 1) % 4)


def recipe_of(*sources: Path, **data: object) -> Recipe:
    recipe = load(find_recipe("cyclegan"), list(map(str, sources)))
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=data)})


def files_of(*sources: Path, kind: type = LabelledUnpaired, needs: tuple[str, ...] = (), **data: object) -> Files:
    return find_files(SampleKind(kind, needs_labels=needs), recipe_of(*sources, **data), lambda sentence: None)


def labelled(files: Files, root: Path) -> dict[str, str]:
    """Label maps by their images, both below a folder."""
    assert files.labels
    return {str(image.relative_to(root)): str(path.relative_to(root)) for image, path in files.labels.files.items()}


@pytest.mark.parametrize(("images", "labels"), [
    ("sim", "sim_labels"),
    ("sim/images", "sim/labels"),
    ("sim/frames", "sim/labels"),
    ("sim/train", "sim_labels/train"),
    ("sim/train", "sim/train_labels"),
    ("sim/train/images", "sim/train/labels"),
    ("sim/images/train", "sim/labels/train"),
])  # fmt: skip
def test_label_maps_of_a_folder_are_found_beside_it(tmp_path, images, labels):
    frames(tmp_path / images, end=".jpg")
    maps(tmp_path / labels)
    frames(tmp_path / "real/train" if "train" in images else tmp_path / "real")
    found = {f"{images}/{name}.jpg": f"{labels}/{name}.png" for name in NAMES}
    assert labelled(files_of(tmp_path / "sim", tmp_path / "real"), tmp_path) == found
    assert labelled(files_of(tmp_path / "sim", kind=Segmentation), tmp_path) == found


def test_label_maps_of_both_domains_and_splits_are_found_in_one_folder(tmp_path):
    for split in ("trainA", "testA", "trainB", "testB"):
        frames(tmp_path / split)
    for split in ("trainA", "testA", "testB"):
        maps(tmp_path / f"{split}_labels")
    found = files_of(tmp_path)
    expected = {f"{split}/{name}.png": f"{split}_labels/{name}.png" for split in ("trainA", "testA", "testB")
                for name in NAMES}  # fmt: skip
    assert labelled(found, tmp_path) == expected


def test_a_segmenter_takes_the_domain_that_has_label_maps(tmp_path):
    for split in ("trainA", "testA", "trainB", "testB"):
        frames(tmp_path / split)
    maps(tmp_path / "trainB_labels"), maps(tmp_path / "testB_labels")
    found = files_of(tmp_path, kind=Segmentation)
    assert {path.parts[len(tmp_path.parts)] for path in (*found.train, *found.test)} == {"trainB", "testB"}
    assert len(found.test) == 3 and len(labelled(found, tmp_path)) == 6
    maps(tmp_path / "trainA_labels")
    with pytest.raises(ValueError, match=r"all of trainA and trainB have label maps.*name one folder"):
        files_of(tmp_path, kind=Segmentation)


def test_a_segmenter_takes_a_folder_of_frames_and_one_of_label_maps_with_train_and_test(tmp_path):
    for split in ("train", "test"):
        frames(tmp_path / "frames" / split)
        maps(tmp_path / "maps" / split)
    found = files_of(tmp_path / "frames", tmp_path / "maps", kind=Segmentation)
    assert labelled(found, tmp_path) == {
        f"frames/{split}/{name}.png": f"maps/{split}/{name}.png" for split in ("train", "test") for name in NAMES
    }


def test_label_maps_in_one_folder_are_not_taken_for_test_images_of_the_same_names(tmp_path):
    frames(tmp_path / "frames/train"), frames(tmp_path / "frames/test"), maps(tmp_path / "maps")
    found = labelled(files_of(tmp_path / "frames", tmp_path / "maps", kind=Segmentation), tmp_path)
    assert set(found) == {f"frames/train/{name}.png" for name in NAMES}


def test_folders_named_in_the_recipe_come_first_and_an_empty_one_is_for_none(tmp_path):
    for name in ("sim", "real"):
        frames(tmp_path / name)
        maps(tmp_path / f"{name}_labels")
    maps(tmp_path / "others")
    found = labelled(files_of(tmp_path / "sim", tmp_path / "real", labels=[str(tmp_path / "others"), ""]), tmp_path)
    assert found == {f"sim/{name}.png": f"others/{name}.png" for name in NAMES}


def test_names_match_as_those_of_cityscapes(tmp_path):
    stems = ("aachen/aachen_000000_000019", "aachen/aachen_000001_000019", "bochum/bochum_000000_000313")
    frames(tmp_path / "leftImg8bit", stems, "_leftImg8bit.png")
    for end in ("_gtFine_color", "_gtFine_instanceIds", "_gtFine_labelIds"):
        maps(tmp_path / "gtFine", stems, f"{end}.png")
    sources = tmp_path / "leftImg8bit", tmp_path / "gtFine"
    found = labelled(files_of(*sources, kind=Segmentation), tmp_path)
    assert found == {f"leftImg8bit/{stem}_leftImg8bit.png": f"gtFine/{stem}_gtFine_labelIds.png" for stem in stems}
    ends = ["_leftImg8bit", "_gtFine_color"]
    assert set(labelled(files_of(*sources, kind=Segmentation, suffixes=ends), tmp_path).values()) == {
        f"gtFine/{stem}_gtFine_color.png" for stem in stems
    }


def test_names_match_in_any_case_and_with_an_end_of_their_own(tmp_path):
    frames(tmp_path / "a/images", ("Frame1", "Frame2"))
    maps(tmp_path / "a/labels", ("frame1", "frame2"))
    assert len(labelled(files_of(tmp_path / "a", kind=Segmentation), tmp_path)) == 2
    frames(tmp_path / "b/images", ("f1", "f2"))
    maps(tmp_path / "b/labels", ("f1_mask", "f2_mask"))
    assert len(labelled(files_of(tmp_path / "b", kind=Segmentation), tmp_path)) == 2
    maps(tmp_path / "b/labels", ("f1_depth", "f2_depth"))
    with pytest.raises(ValueError, match="several label maps for each image, whose names end in _depth, _mask"):
        files_of(tmp_path / "b", kind=Segmentation)


def test_labels_for_some_images_name_how_many_and_the_first_without(tmp_path):
    frames(tmp_path / "sim"), frames(tmp_path / "real"), maps(tmp_path / "sim_labels", NAMES[:1])
    with pytest.raises(ValueError, match=r"sim_labels: label maps for 1 of 3 images of .*first without .*0002\.png"):
        files_of(tmp_path / "sim", tmp_path / "real")


def test_a_method_that_needs_label_maps_is_told_where_they_were_looked_for(tmp_path):
    frames(tmp_path / "sim"), frames(tmp_path / "real")
    assert files_of(tmp_path / "sim", tmp_path / "real").labels.files == {}
    with pytest.raises(ValueError, match=r"^a: no label maps, .*looked for .*sim_labels; name.*data\.labels=\["):
        files_of(tmp_path / "sim", tmp_path / "real", needs=("a",))
    with pytest.raises(ValueError, match=r"data\.labels: .*nowhere: no such folder"):
        files_of(tmp_path / "sim", tmp_path / "real", labels=[str(tmp_path / "nowhere")])


def test_what_is_ambiguous_or_of_no_use_is_refused(tmp_path):
    frames(tmp_path / "sim"), frames(tmp_path / "real")
    maps(tmp_path / "sim/labels")
    with pytest.raises(ValueError, match="no images/ beside labels/; move the images"):
        files_of(tmp_path / "sim", tmp_path / "real")
    frames(tmp_path / "x/images"), maps(tmp_path / "x/labels"), maps(tmp_path / "x_labels")
    with pytest.raises(ValueError, match=r"label maps in .*x/labels and in .*x_labels; choose by data\.labels"):
        files_of(tmp_path / "x", tmp_path / "real")
    with pytest.raises(ValueError, match="this method takes no label maps"):
        files_of(tmp_path / "x", tmp_path / "real", kind=Unpaired, labels=["y"])
    with pytest.raises(ValueError, match=r"data\.labels = \['a', 'b', 'c'\]; allowed: folders of label maps, 2"):
        files_of(tmp_path / "x", tmp_path / "real", labels=["a", "b", "c"])


def test_the_summary_counts_label_maps_and_leaves_none_out(tmp_path):
    for split in ("trainA", "trainB", "trainA_labels"):
        (maps if split.endswith("labels") else frames)(tmp_path / split)
    said: list[str] = []
    recipe = recipe_of(tmp_path)
    files = find_files(SampleKind(LabelledUnpaired), recipe, said.append)
    assert said == ["data: 3 and 3 images of a and b for training, 0 and 0 for testing; 3 label maps of a"]
    sample = open_samples(SampleKind(LabelledUnpaired), recipe.model_copy(update={"augment": Recipe.model_fields[
        "augment"].default}), files)[0, 0]  # fmt: skip
    assert sample.a_labels[0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3] and (sample.b_labels == 255).all()
    find_files(SampleKind(LabelledUnpaired), recipe, said.append, with_labels=False)
    assert said[1].startswith("data: 3 and 3 images") and "2 in trainA_labels/ (label maps)" in said[1]
