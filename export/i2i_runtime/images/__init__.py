"""Image files as arrays and back: the only place where bytes become floats.

An image is an array (height, width, channels) of uint8 or uint16 with 1 (grey), 3 (RGB) or 4 (RGBA, colours not
multiplied by alpha) channels.
"""

import os
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from i2i_runtime.files import open_file, printable, write_atomically
from i2i_runtime.images import headers
from i2i_runtime.images.decode import decode
from i2i_runtime.images.encode import SUFFIXES, check_holds, encode

# 800 MB of 8-bit colour: room for any camera and for maps, not for a few bytes that claim a million by a million.
MAX_PIXELS = 2**28

Array = NDArray[Any]


class Picture(NamedTuple):
    """An image, and the ICC profile that says which colours its numbers mean; empty if the file does not say."""

    pixels: Array
    profile: bytes


class Header(NamedTuple):
    """What `read` will return for a file: an array (height, width, channels), uint8 or uint16 (`bits` 8 or 16)."""

    height: int
    width: int
    channels: int
    bits: int


def is_image(path: Path) -> bool:
    """Whether the name says so; the file need not exist."""
    return path.suffix.lower() in SUFFIXES


def list_images(folder: Path) -> list[Path]:
    """Every image under a folder by its suffix, relative to it, in natural order (2 before 10).

    Hidden files and folders are left out; links are followed, except back into a folder they lie in.
    Raises ValueError where a folder is missing or may not be listed.
    """
    if not folder.is_dir():
        raise ValueError(f"{printable(folder)}: no such folder")
    return sorted(_walk(folder, Path(), ()), key=_natural)


def _walk(root: Path, inside: Path, above: tuple[str, ...]) -> Iterator[Path]:
    here = os.path.realpath(root / inside)
    if here in above:
        return
    try:
        entries = list(os.scandir(here))
    except OSError as error:
        raise ValueError(f"{printable(root / inside)}: cannot be listed ({error.strerror})") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if os.path.isdir(entry.path):  # not entry.is_dir(), which raises for a link to itself
            yield from _walk(root, inside / entry.name, (*above, here))
        elif is_image(Path(entry.name)):
            yield inside / entry.name


def _natural(path: Path) -> tuple[list[list[str | int]], str]:
    def key(name: str) -> list[str | int]:
        # Splitting at digits alternates text and number, so that equal positions always compare.
        return [int(piece) if index % 2 else piece for index, piece in enumerate(re.split(r"(\d+)", name))]

    return [key(name) for name in path.parts], str(path)


def header(path: Path) -> Header:
    """Size and kind of an image file, as `read` would return it, without decoding. Raises ValueError like `read`."""
    with open_file(path) as stream:
        file = headers.parse(stream, path)
        width, height = headers.stored_size(file)
        if headers.orientation(file) >= 5:
            width, height = height, width
        return Header(height, width, headers.channels(file), headers.bits(file, path))


def read(path: Path, *, max_pixels: int = MAX_PIXELS) -> Array:
    """An image file as (height, width, channels), uint8 or uint16 exactly as stored: 1 grey, 3 RGB or 4 RGBA channels.

    EXIF rotation is applied; palettes, 1-bit and CMYK images are converted; grey with alpha becomes RGBA; of an
    animation the first frame is read. Raises ValueError, naming the file, when it is missing, empty, truncated, no
    image, or larger than `max_pixels`.
    """
    return read_picture(path, max_pixels=max_pixels).pixels


def read_picture(path: Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """An image file as `read` gives it, and its ICC profile. Raises ValueError like `read`."""
    with open_file(path) as stream:
        data = stream.read()
    file = headers.parse(BytesIO(data), path)
    width, height = headers.stored_size(file)
    if width * height > max_pixels:
        raise ValueError(f"{printable(path)}: {width}x{height} image is larger than max_pixels {max_pixels}; cut it up")
    pixels = decode(data, file, headers.channels(file), headers.bits(file, path))
    if pixels is None:
        raise ValueError(f"{printable(path)}: {headers.DAMAGED}")
    return Picture(pixels, file.info.get("icc_profile") or b"")


def write(path: Path, image: Array, *, quality: int = 95, profile: bytes = b"") -> None:
    """Write (height, width[, channels]) uint8 or uint16 in the format of the path's suffix: whole, or not at all.

    `quality` is for JPEG (1 to 100) and WebP (1 to 99; 100 is lossless). WebP keeps grey as equal RGB. An ICC `profile`
    is kept by all formats but BMP, if it is one for such channels. The bytes go to a hidden file beside it that is
    renamed at the end. Raises ValueError when the format cannot hold the image, OSError when the disk cannot.
    """
    check_holds(path, image)
    with write_atomically(path) as temporary, open(temporary, "xb") as stream:
        encode(stream, path, image, quality=quality, profile=profile)


def to_float(image: Array) -> NDArray[np.float32]:
    """uint8 or uint16 as float32 in [0, 1]; float32 as it is. Raises ValueError for other types."""
    if image.dtype == np.float32:
        return image
    return np.multiply(image, np.float32(1 / _largest(image.dtype)), dtype=np.float32)


def from_float(image: NDArray[np.float32], dtype: DTypeLike) -> Array:
    """float32, clipped to [0, 1], as uint8, uint16 or float32.

    Rounded, where the published code cuts off: there 0.9999 * 255 becomes 254, and an image that only passes through
    gets darker.
    """
    levels = np.clip(image, 0, 1)
    if dtype == np.float32:
        return levels
    levels *= np.float32(_largest(dtype))
    return np.rint(levels, out=levels).astype(dtype)


def _largest(dtype: DTypeLike) -> int:
    if dtype not in (np.uint8, np.uint16):
        raise ValueError(f"image of {np.dtype(dtype)}; allowed: uint8, uint16, float32 in [0, 1]")
    return np.iinfo(np.dtype(dtype)).max


def with_channels(image: Array, channels: int) -> Array:
    """(height, width, 1|3|4) with 1, 3 or 4 channels: colour to grey by luma; alpha is dropped, or added opaque.

    Raises ValueError for other numbers.
    """
    have = image.shape[2]
    if have == channels:
        return image
    conversions = {
        (1, 3): cv2.COLOR_GRAY2RGB,
        (1, 4): cv2.COLOR_GRAY2RGBA,
        (3, 1): cv2.COLOR_RGB2GRAY,
        (3, 4): cv2.COLOR_RGB2RGBA,
        (4, 1): cv2.COLOR_RGBA2GRAY,
        (4, 3): cv2.COLOR_RGBA2RGB,
    }
    if (have, channels) not in conversions:
        raise ValueError(f"cannot make {channels} channels of {have}; choose from: 1 (grey), 3 (RGB), 4 (RGBA)")
    return cv2.cvtColor(image, conversions[have, channels]).reshape(*image.shape[:2], channels)
