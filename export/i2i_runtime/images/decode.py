"""The bytes of an image file to its pixels, by whichever of OpenCV and Pillow gets that kind of file right.

OpenCV is the faster one, and above 8 bits the only one: Pillow clips grey there and drops half of the bits of RGB.
Pillow is right about 8-bit TIFF, where OpenCV multiplies colours by alpha, and about PNG whose transparency OpenCV does
not see.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile
from PIL.ImageOps import exif_transpose
from PIL.TiffImagePlugin import TiffImageFile

from i2i_runtime.images import headers

# OpenCV's own lines about a bad file would only repeat, less clearly, the sentence that is raised here.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(data: bytes, file: ImageFile, channels: int, bits: int) -> NDArray[Any] | None:
    """(height, width, channels), upright; None if the bytes are damaged. `file` is the header of the same bytes."""
    is_tiff = isinstance(file, TiffImageFile)
    if is_tiff and bits == 8:
        return _pillow(file, channels)
    if channels == 4:
        pixels = _opencv(data, cv2.IMREAD_UNCHANGED)
        if pixels is None or pixels.shape[2:] == (4,):
            # Asked for alpha, OpenCV rotates only TIFF.
            return None if pixels is None else _upright(_rgb(pixels), 1 if is_tiff else headers.orientation(file))
        return _pillow(file, channels) if bits == 8 else None
    if channels == 1:
        pixels = _opencv(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
        return None if pixels is None else pixels[..., None]
    if is_tiff:
        # Not IMREAD_COLOR_RGB: with it, OpenCV 4.11 to 5.0 make noise of a compressed 16-bit TIFF.
        pixels = _opencv(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        return None if pixels is None else _rgb(pixels)
    return _opencv(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH)


def _opencv(data: bytes, flags: int) -> NDArray[Any] | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _pillow(file: ImageFile, channels: int) -> NDArray[Any] | None:
    try:
        image = exif_transpose(file).convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])
    except Exception:  # whatever a decoder meets in damaged bytes
        return None
    return np.array(image).reshape(image.height, image.width, channels)


def _rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo an EXIF orientation (EXIF 2.32, section 4.6.4)."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
