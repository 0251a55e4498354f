"""Label maps that are not exact raise."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.data.labels.label_map import read_label_map
from i2i_runtime import images
from tests.data.labels.test_class_map import COLOURS, LABELS, as_palette


def test_lossy_coloured_and_16_bit_label_maps_raise(tmp_path: Path) -> None:
    Image.fromarray(LABELS).save(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match=r"a\.jpg: a JPEG"):
        read_label_map(tmp_path / "a.jpg", in_colour=False)
    images.write(tmp_path / "colour.png", COLOURS[LABELS])
    with pytest.raises(ValueError, match="in colours; give a class map"):
        read_label_map(tmp_path / "colour.png", in_colour=False)
    images.write(tmp_path / "deep.png", COLOURS[LABELS].astype(np.uint16))
    with pytest.raises(ValueError, match="16 bits"):
        read_label_map(tmp_path / "deep.png", in_colour=True)


def test_a_damaged_palette_image_raises(tmp_path: Path) -> None:
    path = as_palette(tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"a\.png: the file is truncated"):
        read_label_map(path, in_colour=False)
