"""Classes of label maps: numbers, palettes, colours, names; what is out of range is named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.data.labels.class_map import names_of_class_map, read_class_map
from i2i.data.labels.classes import count_classes, count_pixels, find_class_names
from i2i.data.labels.maps import LabelMaps
from tests.data.files import written

LABELS = np.array([[0, 1, 2, 255]] * 3, np.uint8)


def one(folder: Path, labels: np.ndarray = LABELS, **options: object) -> LabelMaps:
    """The label map of an image of the same size."""
    path = written(folder / "labels/1.png", labels if labels.ndim == 3 else labels[..., None])
    image = written(folder / "1.png", np.zeros((3, 4, 3), np.uint8))
    return LabelMaps({image: path}, **options)


def counted(maps: LabelMaps, declared: int = 0) -> int:
    return count_classes(maps, count_pixels(maps), declared)


def test_as_many_classes_as_the_label_maps_show_and_ignored_pixels_are_none(tmp_path):
    maps = one(tmp_path)
    assert counted(maps) == 3 and counted(maps, 7) == 7
    assert count_pixels(maps)[[0, 1, 2, 255]].tolist() == [3, 3, 3, 3]


def test_maps_of_16_bits_and_palettes_hold_indices(tmp_path):
    assert counted(one(tmp_path / "deep", LABELS.astype(np.uint16))) == 3
    maps = one(tmp_path / "palette")
    (image,) = maps.files
    palette = Image.fromarray(LABELS)
    palette.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200] + [9] * 759)
    palette.save(maps.files[image])
    assert (maps.read(image) == LABELS).all()


def test_colours_need_a_class_map_which_names_their_classes(tmp_path):
    colours = np.array([[[128, 64, 128], [70, 70, 70], [0, 0, 0], [0, 0, 0]]] * 3, np.uint8)
    maps = one(tmp_path, colours)
    with pytest.raises(ValueError, match=r"labels/1\.png: a label map in colours; give a class map"):
        count_pixels(maps)
    file = tmp_path / "colours.csv"
    file.write_text("name,r,g,b\nroad,128,64,128\nbuilding,70,70,70\nignore,0,0,0\n")
    names = find_class_names((), file, [])
    assert names == names_of_class_map(file) == ("road", "building")
    mapped = LabelMaps(maps.files, read_class_map(file, names), names)
    assert counted(mapped) == 2 and mapped.read(next(iter(maps.files)))[0].tolist() == [0, 1, 255, 255]


def test_names_of_a_class_map_are_those_beside_it_or_its_own_in_their_order(tmp_path):
    file = tmp_path / "map.json"
    file.write_text('{"7": "road", "8": "road", "11": "building", "0": "ignore"}')
    assert find_class_names((), file, []) == ("road", "building")
    (tmp_path / "classes.txt").write_text("building\nroad\nsky\n")
    assert find_class_names((), file, []) == ("building", "road", "sky")
    assert find_class_names(("a", "b"), file, []) == ("a", "b")
    file.write_text('{"7": 0, "8": 1}')
    assert names_of_class_map(file) == ()


def test_names_are_those_of_classes_txt_beside_the_label_maps_or_above(tmp_path):
    for folder in ("a_labels", "b_labels/train"):
        (tmp_path / folder).mkdir(parents=True)
    folders = [tmp_path / "a_labels", tmp_path / "b_labels/train"]
    assert find_class_names((), None, folders) == ()
    (tmp_path / "a_labels/classes.txt").write_text("sky\nroad\n")
    (tmp_path / "b_labels/classes.txt").write_text("sky\nroad\n")
    assert find_class_names((), None, folders) == ("sky", "road")
    (tmp_path / "b_labels/classes.txt").write_text("road\nsky\n")
    with pytest.raises(ValueError, match=r"a_labels/classes\.txt and .*b_labels/classes\.txt: the names .* differ"):
        find_class_names((), None, folders)


def test_there_are_as_many_classes_as_names_and_no_other_number(tmp_path):
    maps = one(tmp_path, names=("sky", "road", "car", "tree"))
    assert counted(maps) == 4
    with pytest.raises(ValueError, match=r"method\.classes = 3, but 4 classes are named: sky, road, car, tree"):
        counted(maps, 3)


@pytest.mark.parametrize(("declared", "names", "said"), [
    (2, (), r"labels/1\.png: class 2, but method\.classes = 2; allowed: 0 to 1, and 255 for none"),
    (0, ("sky", "road"), r"labels/1\.png: class 2, but 2 classes are named; allowed: 0 to 1, and 255"),
])  # fmt: skip
def test_a_class_out_of_range_is_named(tmp_path, declared, names, said):
    with pytest.raises(ValueError, match=said):
        counted(one(tmp_path, names=names), declared)


@pytest.mark.parametrize(("labels", "said"), [
    (np.full((3, 4), 2, np.uint8), r"labels: the label maps show one class, 2 \(car\); allowed: two"),
    (np.full((3, 4), 255, np.uint8), r"labels: the label maps show no class but 255, which is ignored"),
    (np.full((3, 4), 300, np.uint16), r"labels/1\.png: label 300 is no class index.*data\.class_map"),
    (LABELS.repeat(2, 1), r"labels/1\.png: 8x3 pixels, but its image .*1\.png has 4x3; allowed: equal sizes"),
])  # fmt: skip
def test_label_maps_that_cannot_be_learnt_from_are_refused(tmp_path, labels, said):
    with pytest.raises(ValueError, match=said):
        counted(one(tmp_path, labels, names=("sky", "road", "car")))


def test_a_message_comes_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr("i2i.data.labels.classes._NOTIFY_EVERY", 1)
    said: list[str] = []
    count_pixels(one(tmp_path), said.append)
    assert said == ["label maps: 1 of 1 read"]


@pytest.mark.parametrize("damaged", ["image", "label map"])
def test_one_damaged_file_is_left_out_of_the_count_and_named(tmp_path, damaged):
    maps = LabelMaps({**one(tmp_path / "a").files, **one(tmp_path / "b").files})
    image, path = list(maps.files.items())[1]
    broken = image if damaged == "image" else path
    broken.write_bytes(broken.read_bytes()[:40])
    said = []
    assert count_pixels(maps, said.append)[[0, 1, 2, 255]].tolist() == [3, 3, 3, 3]
    assert len(said) == 1 and "1 left out" in said[0] and str(broken) in said[0]
    assert count_classes(maps, count_pixels(maps)) == 3


def test_damaged_files_alone_are_an_error(tmp_path):
    maps = one(tmp_path)
    (image,) = maps.files
    image.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"1\.png: not an image"):
        count_pixels(maps)
