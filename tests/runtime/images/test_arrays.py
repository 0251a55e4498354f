"""Conversions of images lose nothing that the other type or number of channels can hold."""

import numpy as np
import pytest

from i2i_runtime import images


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_the_way_through_floats(dtype):
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(1, -1, 1)
    floats = images.to_float(levels)
    assert floats.dtype == np.float32
    assert floats.min() == 0
    assert floats.max() == 1
    np.testing.assert_array_equal(images.from_float(floats, dtype), levels)


def test_floats_are_rounded_and_clipped():
    floats = np.array([-0.5, 0.4999 / 255, 0.5001 / 255, 254.9 / 255, 1.5], np.float32)
    assert images.from_float(floats, np.uint8).tolist() == [0, 0, 1, 255, 255]
    assert images.from_float(floats, np.float32).max() == 1
    with pytest.raises(ValueError, match="int64; allowed"):
        images.to_float(np.arange(3))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_channels_are_converted(dtype):
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    grey = (np.arange(12).reshape(3, 4, 1) * full / 11).astype(dtype)
    for channels in (1, 3, 4):
        back = images.with_channels(images.with_channels(grey, channels), 1)
        np.testing.assert_allclose(back, grey, rtol=1e-6)
    assert (images.with_channels(grey, 4)[..., 3] == full).all()
    green = np.zeros((1, 1, 3), dtype)
    green[..., 1] = full
    # ITU-R BT.601 luma
    assert images.with_channels(green, 1).item() == pytest.approx(0.587 * full, abs=0.5 if full > 1 else 1e-6)
    with pytest.raises(ValueError, match="cannot make 2 channels of 3"):
        images.with_channels(green, 2)
