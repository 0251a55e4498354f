"""Resampling of finished images of any size and depth, without more memory than the image and its result."""

import numpy as np
from PIL import Image
from PIL.Image import Resampling

from i2i_runtime.images.arrays import Array, from_float, to_float

_STRIP = 2**20  # pixels of a result that are computed at a time
_LANCZOS_SUPPORT = 3  # (larger) pixels to each side


def resize(image: Array, out: Array, *, by: Resampling) -> None:
    """Fill `out` (height, width, channels) with the image (H, W, channels) of the same type: uint8, uint16 or float32.

    Antialiased where it gets smaller. Each channel goes by itself, so that alpha doesn't touch colours.
    """
    height, width, channels = out.shape
    if (height, width) == image.shape[:2]:
        out[...] = image
        return
    factor = image.shape[0] / height
    margin = int(np.ceil(_LANCZOS_SUPPORT * max(factor, 1))) + 1
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first = max(0, int(top * factor) - margin)
        strip = image[first : int(bottom * factor) + margin + 1]
        box = (0, top * factor - first, image.shape[1], min(bottom * factor - first, len(strip)))
        for channel in range(channels):
            # Floats, because with 8 bits Pillow rounds and clips between rows and columns, and 16 it refuses.
            plane = Image.fromarray(to_float(strip[..., channel])).resize((width, bottom - top), by, box)
            out[top:bottom, :, channel] = from_float(np.asarray(plane), image.dtype)
