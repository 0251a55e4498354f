"""Class maps of all file formats for label maps of all kinds, and refusal of wrong ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.data.labels.class_map import ClassMap, identity_class_map, read_class_map, read_class_names
from i2i.data.labels.label_map import read_label_map
from i2i.metrics.segmentation.iou import IGNORE
from i2i_runtime import images

CLASSES = ("sky", "road", "car")
COLOURS = np.array([(70, 130, 180), (128, 64, 128), (0, 0, 142)], np.uint8)
LABELS = np.random.default_rng(0).integers(0, 3, (6, 7)).astype(np.uint8)
COLOUR_MAPS = {
    "a.json": '{"70,130,180": "sky", "128, 64, 128": 1, "#00008e": "car"}',
    "a.toml": '"70,130,180" = "sky"\n"#804080" = "road"\n"0,0,142" = 2\n',
    "a.csv": "name, r, g, b\nsky, 70, 130, 180\nroad, 128, 64, 128\ncar, 0, 0, 142\n",
}


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def class_indices_of(path: Path, class_map: ClassMap) -> np.ndarray:
    return class_map(read_label_map(path, in_colour=class_map.in_colour), str(path))


def as_palette(path: Path) -> Path:
    image = Image.fromarray(LABELS, mode="P")
    image.putpalette(COLOURS.tobytes())
    image.save(path)
    return path


def test_grey_palette_and_equal_channels_are_read_as_class_indices(tmp_path: Path) -> None:
    images.write(tmp_path / "grey.png", LABELS)
    images.write(tmp_path / "rgb.png", np.repeat(LABELS[..., None], 3, axis=2))
    images.write(tmp_path / "deep.png", LABELS.astype(np.uint16))
    for path in (as_palette(tmp_path / "palette.png"), *(tmp_path / f"{name}.png" for name in ("grey", "rgb", "deep"))):
        np.testing.assert_array_equal(class_indices_of(path, identity_class_map(3)), LABELS, err_msg=path.name)


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colours_map_to_classes(name: str, tmp_path: Path) -> None:
    images.write(tmp_path / "colour.png", COLOURS[LABELS])
    opaque = np.full((*LABELS.shape, 1), 255, np.uint8)
    images.write(tmp_path / "alpha.png", np.concatenate([COLOURS[LABELS], opaque], axis=2))
    class_map = read_class_map(written(tmp_path / name, COLOUR_MAPS[name]), CLASSES)
    for path in (tmp_path / "colour.png", tmp_path / "alpha.png", as_palette(tmp_path / "palette.png")):
        np.testing.assert_array_equal(class_indices_of(path, class_map), LABELS, err_msg=path.name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"7": "road", "300": 0, "26": "car", "9": "ignore"}'),
        ("a.toml", '7 = "road"\n300 = "sky"\n26 = 2\n9 = 255\n'),
        ("a.csv", "id,class\n7,road\n300,0\n26,car\n9,ignore\n"),
    ],
)
def test_numbers_map_to_classes(name: str, text: str, tmp_path: Path) -> None:
    class_map = read_class_map(written(tmp_path / name, text), CLASSES)
    found = class_map(np.array([[300, 7, 26, 9, IGNORE]], np.uint16), "a map")
    assert found.tolist() == [[0, 1, 2, IGNORE, IGNORE]]
    with pytest.raises(ValueError, match=r"a map: 8 is not in .*; allowed: 7, 9, 26, 255, 300"):
        class_map(np.array([[7, 8]]), "a map")


def test_the_wildcard_maps_unlisted_labels(tmp_path: Path) -> None:
    class_map = read_class_map(written(tmp_path / "a.json", '{"1": "car", "*": "ignore"}'), CLASSES)
    assert class_map(np.array([[0, 1, 2, 70_000]]), "").tolist() == [[IGNORE, 2, IGNORE, IGNORE]]


def test_a_label_without_a_class_raises_with_its_number_or_colour(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.png: 3 is not in the 3 classes; allowed: 0, 1, 2, 255"):
        identity_class_map(3)(np.array([[2, 3]]), "x.png")
    class_map = read_class_map(written(tmp_path / "a.csv", COLOUR_MAPS["a.csv"]), CLASSES)
    with pytest.raises(ValueError, match=r"x\.png: colour #00008f is not in .*a\.csv; allowed: colour #00008e"):
        class_map(np.array([[0x00008E, 0x00008F]]), "x.png")


def test_class_names_are_the_lines_of_a_file(tmp_path: Path) -> None:
    assert read_class_names(written(tmp_path / "names.txt", "\ufeffsky\r\nroad \ncar\n\n")) == CLASSES


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no class names in it"),
        ("sky\n\ncar\n", "class 1 is empty"),
        ("sky\nroad\nsky\n", "class 2 name 'sky' is there twice"),
        ("\n".join(map(str, range(256))), "256 classes; allowed: 1 to 255"),
    ],
)
def test_empty_repeated_and_too_many_names_raise(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_class_names(written(tmp_path / "names.txt", text))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.yaml", "1: road", "known suffixes: .json .toml .csv"),
        ("a.json", "[1, 2]", "one object"),
        ("a.json", '{"1": "road"', "not a class map"),
        ("a.json", '{"1": "raod"}', "no class 'raod'; did you mean 'road'?"),
        ("a.json", '{"1": 3}', "no class 3"),
        ("a.json", '{"1": true}', "no class True"),
        ("a.json", '{"1": {"a": 2}}', "no class"),
        ("a.json", '{"1": "road", "1": "car"}', "'1' is there twice"),
        ("a.json", '{"1": "road", "1,2,3": "car"}', "both numbers and colours"),
        ("a.json", "{}", "neither numbers"),
        ("a.json", '{"-1": "road"}', "'-1' is no label"),
        ("a.json", '{"1,2,256": "road"}', "'1,2,256' is no colour"),
        ("a.json", '{"#12345": "road"}', "'#12345' is no colour"),
        ("a.csv", "label,class\n1,road\n", "columns label, class"),
        ("a.csv", "id,class\n1\n", "no class ''"),
    ],
)
def test_wrong_class_maps_raise(name: str, text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence.replace("?", r"\?")) as refusal:
        read_class_map(written(tmp_path / name, text), CLASSES)
    assert name in str(refusal.value)


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.json: cannot be read"):
        read_class_map(tmp_path / "gone.json", CLASSES)
