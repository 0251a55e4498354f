"""The pixels of an image to the bytes of a file, without holding a result of a gigabyte twice.

PNG and TIFF are written here, strip by strip: OpenCV builds the whole file in memory, and a TIFF without its colour
profile. The other formats are OpenCV's.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from i2i_runtime.files import printable

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

_16_BIT_SUFFIXES = (".png", ".tif", ".tiff")
_LONGEST = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}  # pixels of a side
_STRIP = 2**20  # bytes of pixels that are compressed at a time
_LARGE = 2**26  # bytes from which on an image is not copied
_PNG_COLOURS = {1: 0, 3: 2, 4: 6}  # by channels
_LEVEL = 2  # of compression, 0 to 3
_PNG_UP = 2  # the filter that leaves the difference to the row above
_ICC_COLOURS = slice(16, 20)  # where a profile names its colour space


def check_size(path: Path, height: int, width: int) -> None:
    """Raises ValueError if the format of the path's suffix can't hold an image of this size, in pixels."""
    if max(height, width) > _LONGEST.get(path.suffix.lower(), 2**31 - 1):
        raise ValueError(f"{printable(path)}: {width}x{height} is too large for {path.suffix.lower()}; write a .png")


def check_holds(path: Path, image: NDArray[Any]) -> None:
    """Raises ValueError if the format of the path's suffix can't hold the image, or no format can."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"{printable(path)}: cannot write {suffix or 'without a suffix'}; choose from: {', '.join(SUFFIXES)}"
        )
    channels = 1 if image.ndim == 2 else image.shape[-1]
    known = image.dtype in (np.uint8, np.uint16) and image.ndim in (2, 3) and channels in (1, 3, 4)
    if not known or not image.size:
        allowed = "allowed: uint8 or uint16 (height, width[, 1, 3 or 4]), at least one pixel"
        raise ValueError(f"{printable(path)}: cannot write {image.dtype} of shape {image.shape}; {allowed}")
    if image.dtype == np.uint16 and suffix not in _16_BIT_SUFFIXES:
        raise ValueError(
            f"{printable(path)}: {suffix} holds 8 bits, not 16; choose from: {', '.join(_16_BIT_SUFFIXES)}"
        )
    if channels == 4 and suffix in (".jpg", ".jpeg"):
        raise ValueError(f"{printable(path)}: {suffix} holds no alpha; write a .png, or drop alpha")
    check_size(path, *image.shape[:2])


def encode(stream: BinaryIO, path: Path, image: NDArray[Any], *, quality: int, profile: bytes) -> None:
    """Write (height, width[, channels]), which `check_holds`, to a new file in the format of the path's suffix.

    The ICC profile is left out where it does not speak of such channels, and by BMP. Raises ValueError for an image
    that turns out to be too large for the format.
    """
    suffix = path.suffix.lower()
    image = image.reshape(*image.shape[:2], -1)
    is_grey = image.shape[2] == 1 and suffix != ".webp"  # which has colours only
    if profile[_ICC_COLOURS] != (b"GRAY" if is_grey else b"RGB "):
        profile = b""
    if suffix == ".png":
        _png(stream, image, profile)
    elif suffix in (".tif", ".tiff"):
        _tiff(stream, path, image, profile)
    else:
        stream.write(_opencv(path, image, quality, b"" if suffix == ".bmp" else profile))


def _strips(image: NDArray[Any]) -> Iterator[NDArray[Any]]:
    lines = max(1, _STRIP // image[0].nbytes)
    yield from (image[top : top + lines] for top in range(0, len(image), lines))


def _png(stream: BinaryIO, image: NDArray[Any], profile: bytes) -> None:
    """PNG, third edition (https://www.w3.org/TR/png-3), with all rows as differences to the row above."""

    def chunk(name: bytes, data: bytes) -> None:
        check = isal_zlib.crc32(data, isal_zlib.crc32(name))
        stream.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", check))

    height, width, channels = image.shape
    stream.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * image.itemsize, _PNG_COLOURS[channels], 0, 0, 0))
    if profile:
        chunk(b"iCCP", b"ICC profile\0\0" + isal_zlib.compress(profile))
    compressor = _compressor()
    above = np.zeros((1, image[0].nbytes), np.uint8)
    for strip in _strips(image):
        rows = np.ascontiguousarray(strip, image.dtype.newbyteorder(">")).view(np.uint8).reshape(len(strip), -1)
        filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
        filtered[:, 0] = _PNG_UP
        np.subtract(rows, np.concatenate([above, rows[:-1]]), out=filtered[:, 1:])
        above = rows[-1:]
        chunk(b"IDAT", compressor.compress(filtered.data))
    chunk(b"IDAT", compressor.flush())
    chunk(b"IEND", b"")


def _compressor() -> "isal_zlib.Compress":
    # Of photographs' differences it makes 58% in a third of the time in which zlib, looking for runs alone, makes 61%.
    return isal_zlib.compressobj(_LEVEL)


def _tiff(stream: BinaryIO, path: Path, image: NDArray[Any], profile: bytes) -> None:
    """TIFF 6.0 (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf), with differences to the left pixel."""
    height, width, channels = image.shape
    stream.write(b"II*\0" + bytes(4))  # the place of the directory comes last
    places, sizes = [], []
    for strip in _strips(image):
        values = strip.astype(image.dtype.newbyteorder("<"))
        values[:, 1:] -= strip[:, :-1]
        compressor = _compressor()
        data = compressor.compress(values.data) + compressor.flush()
        places.append(stream.tell())
        sizes.append(len(data))
        stream.write(data + bytes(len(data) % 2))
        if stream.tell() > 2**32 - 2**24:
            raise ValueError(f"{printable(path)}: more than 4 GB are too much for {path.suffix.lower()}; write a .png")
    tags: list[tuple[int, str, Sequence[int]]] = [
        (256, "I", [width]),
        (257, "I", [height]),
        (258, "H", [8 * image.itemsize] * channels),
        (259, "H", [8]),  # deflate
        (262, "H", [1 if channels == 1 else 2]),  # grey or RGB
        (273, "I", places),
        (277, "H", [channels]),
        (278, "I", [len(next(_strips(image)))]),
        (279, "I", sizes),
        (317, "H", [2]),  # differences to the left
        (338, "H", [2] if channels == 4 else []),  # alpha by which the colours are not multiplied
        (34675, "B", profile),
    ]
    entries = [_tiff_entry(stream, *tag) for tag in tags if tag[2]]
    directory = stream.tell()
    stream.write(struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4))
    stream.seek(4)
    stream.write(struct.pack("<I", directory))


def _tiff_entry(stream: BinaryIO, tag: int, kind: str, values: Sequence[int]) -> bytes:
    """An entry for the directory; values that it has no room for are written before it."""
    data = struct.pack(f"<{len(values)}{kind}", *values)
    if len(data) > 4:
        place = stream.tell()
        stream.write(data + bytes(len(data) % 2))
        data = struct.pack("<I", place)
    number = {"B": 7, "H": 3, "I": 4}[kind]
    return struct.pack("<HHI", tag, number, len(values)) + data.ljust(4, b"\0")


def _opencv(path: Path, image: NDArray[Any], quality: int, profile: bytes) -> memoryview:
    webp_quality = 101 if quality >= 100 else quality  # OpenCV's word for lossless
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_WEBP_QUALITY, webp_quality]
    kinds = [cv2.IMAGE_METADATA_ICCP] if profile else []
    try:
        with _bgr(image) as swapped:
            done, data = cv2.imencodeWithMetadata(
                path.suffix.lower(), swapped, kinds, [np.frombuffer(profile, np.uint8)][: len(kinds)], options
            )
    except cv2.error:
        done = False
    if not done:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise ValueError(f"{printable(path)}: {size} is too large for {path.suffix.lower()}; write a .png")
    return data.data


@contextmanager
def _bgr(image: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The image with its colours in OpenCV's order: a copy, or a large image itself for as long as it takes."""
    if image.shape[2] == 1:
        yield image
        return
    swap = cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    if image.nbytes < _LARGE or not (image.flags.writeable and image.flags.c_contiguous):
        yield cv2.cvtColor(image, swap)
        return
    try:
        for strip in _strips(image):
            cv2.cvtColor(strip, swap, dst=strip)
        yield image
    finally:
        for strip in _strips(image):
            cv2.cvtColor(strip, swap, dst=strip)
