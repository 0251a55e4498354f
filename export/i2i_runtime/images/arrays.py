"""Images as arrays: integers to floats in [0, 1] and back, and conversion between grey, RGB and RGBA."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

_CONVERSIONS = {
    (1, 3): cv2.COLOR_GRAY2RGB,
    (1, 4): cv2.COLOR_GRAY2RGBA,
    (3, 1): cv2.COLOR_RGB2GRAY,
    (3, 4): cv2.COLOR_RGB2RGBA,
    (4, 1): cv2.COLOR_RGBA2GRAY,
    (4, 3): cv2.COLOR_RGBA2RGB,
}


def to_float(image: Array) -> NDArray[np.float32]:
    """Convert uint8 or uint16 to float32 in [0, 1]; float32 stays as it is. Raises ValueError for other types."""
    if image.dtype == np.float32:
        return image
    return np.multiply(image, np.float32(1 / _maximum(image.dtype)), dtype=np.float32)


def from_float(image: NDArray[np.float32], dtype: DTypeLike) -> Array:
    """Clip float32 to [0, 1] and convert it to uint8, uint16 or float32.

    Rounded, where the published code cuts off: there 0.9999 * 255 becomes 254, and an image that only passes through
    gets darker.
    """
    levels = np.clip(image, 0, 1)
    if dtype == np.float32:
        return levels
    levels *= np.float32(_maximum(dtype))
    return np.rint(levels, out=levels).astype(dtype)


def _maximum(dtype: DTypeLike) -> int:
    if dtype not in (np.uint8, np.uint16):
        raise ValueError(f"image of {np.dtype(dtype)}; allowed: uint8, uint16, float32 in [0, 1]")
    return np.iinfo(np.dtype(dtype)).max


def with_channels(image: Array, channels: int) -> Array:
    """Convert (height, width, 1|3|4) to 1, 3 or 4 channels: colour to grey by luma, alpha dropped or added opaque.

    Raises ValueError for other numbers.
    """
    given = image.shape[2]
    if given == channels:
        return image
    if (given, channels) not in _CONVERSIONS:
        raise ValueError(f"cannot make {channels} channels of {given}; choose from: 1 (grey), 3 (RGB), 4 (RGBA)")
    return cv2.cvtColor(image, _CONVERSIONS[given, channels]).reshape(*image.shape[:2], channels)
