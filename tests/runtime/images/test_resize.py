"""Resampling by strips is Pillow's resampling of the whole image."""

import numpy as np
import pytest
from PIL import Image

from i2i_runtime import images
from i2i_runtime.images.resize import resize
from tests.runtime.pictures import noise


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size", [(30, 45), (167, 250), (400, 100)])
def test_resampling_by_strips_is_pillows(monkeypatch, dtype, size):
    monkeypatch.setattr("i2i_runtime.images.resize._STRIP", 1000)
    image = noise(90, 120, 3, dtype=np.uint16)
    image = images.to_float(image) if dtype is np.float32 else image.astype(dtype)
    result = np.empty((*size, 3), dtype)
    resize(image, result, by=Image.Resampling.LANCZOS)
    for channel in range(3):
        plane = Image.fromarray(images.to_float(image[..., channel]))
        expected = images.from_float(np.asarray(plane.resize(size[::-1], Image.Resampling.LANCZOS)), dtype)
        np.testing.assert_allclose(result[..., channel], expected, atol=1e-6 if dtype is np.float32 else 1)
