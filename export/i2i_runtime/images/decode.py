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
from i2i_runtime.images.metadata import Metadata, orientation, read_metadata, upright

# OpenCV's own lines about a bad file would only repeat, less clearly, the sentence that is raised here.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# 800 MB of 8-bit colour: room for any camera and for maps, not for a few bytes that claim a million by a million.
MAX_PIXELS = 2**28

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's, by channels


# Tags of TIFF 6.0, and their values
_PHOTOMETRIC, _WHITE_IS_ZERO = 0x106, 0
_EXTRA_SAMPLES, _ASSOCIATED_ALPHA = 0x152, 1


class ImageWithMetadata(NamedTuple):
    """An image (height, width, channels) and what the file of its result takes over."""

    pixels: Array
    metadata: Metadata


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
    return read_with_metadata(path, max_pixels=max_pixels).pixels


def read_with_metadata(path: Path, *, max_pixels: int = MAX_PIXELS) -> ImageWithMetadata:
    """Read an image file as `read` does, and its metadata. Raises ValueError like `read`."""
    with read_errors(path), open_regular_file(path) as stream:
        data = stream.read()
    return decode(data, path, max_pixels=max_pixels)


def decode(
    data: bytes, path: Path, *, max_pixels: int = MAX_PIXELS, palette_indices: bool = False
) -> ImageWithMetadata:
    """Decode the bytes of an image file as `read` does; `path` is for the messages. Raises ValueError like `read`.

    With `palette_indices`, an image with a palette has its indices in one channel, not its colours: it is a label map.
    """
    with headers.parse_errors(path):
        file = headers.parse(BytesIO(data), path)
        width, height = headers.stored_size(file)
        if width * height > max_pixels:
            size = f"{width}x{height} image"
            raise ValueError(f"{printable(path)}: {size} is larger than max_pixels {max_pixels}; cut it up")
        if palette_indices and file.mode == "P":
            pixels: Array | None = np.array(file)[..., None]
        else:
            pixels = _decode_pixels(data, file, headers.channels(file), headers.bits(file, path))
        if pixels is None:
            raise ValueError(f"{printable(path)}: {DAMAGED}")
        return ImageWithMetadata(pixels, read_metadata(file, data))


def _decode_pixels(data: bytes, file: ImageFile, channels: int, bits: int) -> Array | None:
    """(height, width, channels), upright; None if the bytes are damaged. `file` is the header of the same bytes."""
    is_tiff = isinstance(file, TiffImageFile)
    if is_tiff and bits == 8:
        return _by_pillow(file, channels)
    if channels == 4:
        return _decode_rgba(data, file, bits)
    if channels == 1:
        pixels = _by_opencv(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
        if pixels is not None and isinstance(file, TiffImageFile) and file.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            pixels = np.iinfo(pixels.dtype).max - pixels  # OpenCV gives 16 bits as they are stored
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
        return _by_pillow(file, 4) if bits == 8 else _with_transparent_colour(pixels, file)
    pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
    if isinstance(file, TiffImageFile):
        is_associated = _ASSOCIATED_ALPHA in file.tag_v2.get(_EXTRA_SAMPLES, ())
        return _divided_by_alpha(pixels) if is_associated else pixels
    # With alpha, OpenCV rotates only TIFF.
    return upright(pixels, orientation(file))


def _with_transparent_colour(pixels: Array, file: ImageFile) -> Array | None:
    """RGBA of a PNG of 16 bits, grey or BGR, in which one colour is transparent (tRNS)."""
    colour = file.info.get("transparency")
    if not isinstance(colour, int | tuple):
        return None
    colours = pixels.reshape(*pixels.shape[:2], -1)[..., ::-1]
    alpha = np.where((colours == np.asarray(colour)).all(axis=2), 0, np.iinfo(pixels.dtype).max)
    rgba = np.dstack([np.broadcast_to(colours, (*colours.shape[:2], 3)), alpha.astype(pixels.dtype)])
    return upright(rgba, orientation(file))


def _divided_by_alpha(pixels: Array) -> Array:
    """Undo the multiplication of the colours by alpha; where that is 0 they are gone."""
    largest = np.iinfo(pixels.dtype).max
    alpha = np.maximum(pixels[..., 3:], 1).astype(np.float64)
    pixels[..., :3] = np.minimum(np.rint(pixels[..., :3] * (largest / alpha)), largest)
    return pixels


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
