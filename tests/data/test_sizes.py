"""The median size of training images, by the field of a batch that they are in."""

from pathlib import Path

from i2i.data.batch import HighResolution, LabelledUnpaired, Pair, Unpaired
from i2i.data.folders import find_pairs, find_single, find_unpaired
from i2i.data.sizes import median_sizes
from tests.data.files import put


def domains(folder: Path) -> Path:
    for index in range(5):
        put(folder / "trainA" / f"{index}.png", (10 + index, 40 - index, 3))
        put(folder / "trainB" / f"{index}.png", (7, 9, 3))
    return folder


def test_each_domain_has_its_median_size(tmp_path: Path) -> None:
    files = find_unpaired(domains(tmp_path))
    assert median_sizes(files, Unpaired, swap=False) == {"a": (12, 38), "b": (7, 9)}
    assert median_sizes(files, LabelledUnpaired, swap=False) == {"a": (12, 38), "b": (7, 9)}


def test_the_source_of_pairs_is_b_where_they_are_swapped(tmp_path: Path) -> None:
    files = find_pairs(domains(tmp_path))
    assert median_sizes(files, Pair, swap=False) == {"source": (12, 38), "target": (7, 9)}
    assert median_sizes(files, Pair, swap=True) == {"source": (7, 9), "target": (12, 38)}


def test_an_image_of_two_side_by_side_is_half_as_wide(tmp_path: Path) -> None:
    put(tmp_path / "1.png", (8, 16, 3))
    files = find_pairs(tmp_path, layout="side-by-side")
    assert median_sizes(files, Pair, swap=False) == {"source": (8, 8), "target": (8, 8)}


def test_single_images_and_images_that_cannot_be_read_have_none(tmp_path: Path) -> None:
    assert median_sizes(find_single(domains(tmp_path) / "trainA"), HighResolution, swap=False) == {}
    for path in (tmp_path / "trainB").iterdir():
        path.write_bytes(b"no image")
    assert median_sizes(find_unpaired(tmp_path), Unpaired, swap=False) == {"a": (12, 38)}
