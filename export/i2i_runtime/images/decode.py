"""The bytes of an image file to its pixels, by whichever of OpenCV and Pillow gets that kind of file right.

OpenCV is the faster one, and above 8 bits the only one: Pillow clips grey there and drops half of the bits of RGB.
Pillow is right about 8-bit TIFF, where OpenCV multiplies colours by alpha, and about PNG whose transparency OpenCV does
not see.
"""

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL.ImageFile import ImageFile
from PIL.ImageOps import exif_transpose
from PIL.TiffImagePlugin import TiffImageFile

from i2i_runtime.files import open_regular_file, printable, read_errors
from i2i_runtime.images import headers
from i2i_runtime.images.arrays import Array
from i2i_runtime.images.headers import DAMAGED, Header
from i2i_runtime.images.metadata import icc_profile, orientation, upright

# OpenCV's own lines about a bad file would only repeat, less clearly, the sentence that is raised here.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# 800 MB of 8-bit colour: room for any camera and for maps, not for a few bytes that claim a million by a million.
MAX_PIXELS = 2**28

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's, by channels


class ImageWithProfile(NamedTuple):
    """An image (height, width, channels) and its ICC profile, empty if the file has none."""

    pixels: Array
    profile: bytes


def header(path: Path) -> Header:
    """Shape and type of an image file, as `read` would return it, without decoding. Raises ValueError like `read`."""
    with read_errors(path), open_regular_file(path) as stream:
        return headers.read_header(stream, path)


def read(path: Path, *, max_pixels: int = MAX_PIXELS) -> Array:
    """Read an image file as (height, width, channels), uint8 or uint16 as stored: 1 grey, 3 RGB or 4 RGBA channels.

    EXIF rotation is applied; palettes, 1-bit and CMYK images are converted; grey with alpha becomes RGBA. Raises
    ValueError, naming the file, when it is missing, empty, truncated, no image, an animation, several pages, bands that
    are no colours, or larger than `max_pixels`.
    """
    return read_with_profile(path, max_pixels=max_pixels).pixels


def read_with_profile(path: Path, *, max_pixels: int = MAX_PIXELS) -> ImageWithProfile:
    """Read an image file as `read` does, and its ICC profile. Raises ValueError like `read`."""
    with read_errors(path), open_regular_file(path) as stream:
        data = stream.read()
    return decode(data, path, max_pixels=max_pixels)


def decode(data: bytes, path: Path, *, max_pixels: int = MAX_PIXELS) -> ImageWithProfile:
    """Decode the bytes of an image file as `read` does; `path` is for the messages. Raises ValueError like `read`."""
    with headers.parse_errors(path):
        file = headers.parse(BytesIO(data), path)
        width, height = headers.stored_size(file)
        if width * height > max_pixels:
            size = f"{width}x{height} image"
            raise ValueError(f"{printable(path)}: {size} is larger than max_pixels {max_pixels}; cut it up")
        pixels = _decode_pixels(data, file, headers.channels(file), headers.bits(file, path))
        if pixels is None:
            raise ValueError(f"{printable(path)}: {DAMAGED}")
        return ImageWithProfile(pixels, icc_profile(file))


def _decode_pixels(data: bytes, file: ImageFile, channels: int, bits: int) -> Array | None:
    """(height, width, channels), upright; None if the bytes are damaged. `file` is the header of the same bytes."""
    is_tiff = isinstance(file, TiffImageFile)
    if is_tiff and bits == 8:
        return _by_pillow(file, channels)
    if channels == 4:
        return _decode_rgba(data, file, bits)
    if channels == 1:
        pixels = _by_opencv(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
        return None if pixels is None else pixels[..., None]
    if is_tiff:
        # Not IMREAD_COLOR_RGB: with it, OpenCV 4.11 to 5.0 make noise of a compressed 16-bit TIFF.
        pixels = _by_opencv(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        return None if pixels is None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return _by_opencv(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH)


def _decode_rgba(data: bytes, file: ImageFile, bits: int) -> Array | None:
    pixels = _by_opencv(data, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return None
    if pixels.shape[2:] != (4,):  # transparency that OpenCV does not see
        return _by_pillow(file, 4) if bits == 8 else None
    pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
    # With alpha, OpenCV rotates only TIFF.
    return pixels if isinstance(file, TiffImageFile) else upright(pixels, orientation(file))


def _by_opencv(data: bytes, flags: int) -> Array | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _by_pillow(file: ImageFile, channels: int) -> Array | None:
    try:
        image = exif_transpose(file).convert(_MODES[channels])
    except Exception:  # whatever a decoder meets in damaged bytes
        return None
    return np.array(image).reshape(image.height, image.width, channels)
