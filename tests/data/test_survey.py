from pathlib import Path

import numpy as np

from i2i.data.check import check
from i2i_runtime import images
from tests.data.files import put


def test_sizes_and_modes_are_counted(tmp_path: Path) -> None:
    put(tmp_path / "a.png", (4, 4, 3))
    put(tmp_path / "b.png", (5, 9, 1))
    put(tmp_path / "deep" / "c.png", (20, 10, 4), bits=16)
    put(tmp_path / "deep" / "d.jpg", (20, 10, 1))
    (line, *_) = check(tmp_path).lines()
    assert line == (
        f"{tmp_path}: 4 images; 4x4 to 10x20, median 10x20, 3 sizes; 2 grey 8-bit, 1 RGB 8-bit, 1 RGBA 16-bit"
    )


def test_equal_bytes_of_another_shape_are_no_duplicate(tmp_path: Path) -> None:
    for name, shape in (("train/1.png", (2, 6, 1)), ("test/2.png", (3, 4, 1))):
        path = tmp_path / name
        path.parent.mkdir()
        images.write(path, np.full(shape, 7, np.uint8))
    assert check(tmp_path).problems == []
