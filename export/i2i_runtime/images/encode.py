"""The pixels of an image to the bytes of a file, without holding a result of a gigabyte twice.

PNG and TIFF are written strip by strip (`png_tiff`): OpenCV builds the whole file in memory, and a TIFF without its
colour profile. Lossless WebP is Pillow's, which keeps hidden colours. The other formats are OpenCV's.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from i2i_runtime.files import printable, write_atomically
from i2i_runtime.images.arrays import Array
from i2i_runtime.images.listing import SUFFIXES
from i2i_runtime.images.metadata import Metadata, suits_channels
from i2i_runtime.images.png_tiff import strips, write_png, write_tiff

QUALITY = 95  # of JPEG and WebP, by default

_16_BIT_SUFFIXES = (".png", ".tif", ".tiff")
_JPEG_SUFFIXES = (".jpg", ".jpeg")
_MAX_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}  # pixels
_NOT_COPIED = 2**26  # bytes from which on an image is not copied
# A JPEG's ICC profile lies in segments (ICC.1:2022, annex B.4) of at most 2^16 - 1 bytes, up to 255 of them.
_ICC_MARK, _ICC_SEGMENT, _ICC_SEGMENTS = b"ICC_PROFILE\0", 2**16 - 1 - 16, 255
_NOTHING = Metadata()


def write(path: Path, image: Array, *, quality: int | None = None, metadata: Metadata = _NOTHING) -> None:
    """Write (height, width[, channels]) uint8 or uint16 in the format of the path's suffix: whole, or not at all.

    `quality` is for JPEG (1 to 100) and WebP (1 to 99; 100 is lossless), by default 95, and lossless for a WebP whose
    image was. WebP keeps grey as equal RGB. An ICC profile is kept by all formats but BMP, if it is one for such
    channels. Raises ValueError when the format cannot hold the image, OSError when the disk cannot.
    """
    check_encodable(path, image)
    with write_atomically(path) as temporary, open(temporary, "xb") as stream:
        encode(stream, path, image, quality=quality, metadata=metadata)


def check_encodable(path: Path, image: Array) -> None:
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
    if channels == 4 and suffix in _JPEG_SUFFIXES:
        raise ValueError(f"{printable(path)}: {suffix} holds no alpha; write a .png, or drop alpha")
    check_size(path, *image.shape[:2])


def check_size(path: Path, height: int, width: int) -> None:
    """Raises ValueError if the format of the path's suffix can't hold an image of this size, in pixels."""
    if max(height, width) > _MAX_SIDE.get(path.suffix.lower(), 2**31 - 1):
        raise _too_large(path, height, width)


def _too_large(path: Path, height: int, width: int) -> ValueError:
    return ValueError(f"{printable(path)}: {width}x{height} is too large for {path.suffix.lower()}; write a .png")


def encode(
    stream: BinaryIO, path: Path, image: Array, *, quality: int | None = None, metadata: Metadata = _NOTHING
) -> None:
    """Encode (height, width[, channels]) into a new file, in the format of the path's suffix; as `write`.

    `check_encodable` comes first. Raises ValueError for an image that turns out to be too large for the format.
    """
    suffix = path.suffix.lower()
    image = image.reshape(*image.shape[:2], -1)
    is_grey = image.shape[2] == 1 and suffix != ".webp"  # which has colours only
    profile = metadata.profile if suits_channels(metadata.profile, grey=is_grey) else b""
    try:
        if suffix == ".png":
            write_png(stream, image, profile, metadata.png_colour)
        elif suffix in (".tif", ".tiff"):
            write_tiff(stream, image, profile)
        elif suffix in _JPEG_SUFFIXES:
            _write_jpeg(stream, image, quality or QUALITY, metadata.sampling, profile)
        elif suffix == ".webp":
            _write_webp(stream, image, quality or (100 if metadata.is_lossless_webp else QUALITY), profile)
        else:
            stream.write(_by_opencv(suffix, image, [], b""))
    except OverflowError:
        raise _too_large(path, *image.shape[:2]) from None


def _write_jpeg(stream: BinaryIO, image: Array, quality: int, sampling: tuple[int, int] | None, profile: bytes) -> None:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if sampling is not None:
        across, down = sampling
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, across << 20 | down << 16 | 0x1111]
    data = _by_opencv(".jpg", image, options, b"")
    start = 2  # behind the mark of a JPEG, and behind the JFIF segment, which must be the first
    if data[2:4] == b"\xff\xe0":
        start += 2 + int.from_bytes(data[4:6])
    stream.write(data[:start])
    for segment in _icc_segments(profile):
        stream.write(segment)
    stream.write(data[start:])


def _icc_segments(profile: bytes) -> Iterator[bytes]:
    """A profile that does not fit is left out."""
    pieces = [profile[at : at + _ICC_SEGMENT] for at in range(0, len(profile), _ICC_SEGMENT)]
    if len(pieces) > _ICC_SEGMENTS:
        return
    for number, piece in enumerate(pieces, 1):
        content = _ICC_MARK + bytes([number, len(pieces)]) + piece
        yield struct.pack(">HH", 0xFFE2, 2 + len(content)) + content


def _write_webp(stream: BinaryIO, image: Array, quality: int, profile: bytes) -> None:
    if quality < 100:
        stream.write(_by_opencv(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality], profile))
        return
    picture = Image.fromarray(image if image.shape[2] > 1 else image[..., 0])
    picture.save(stream, "WEBP", lossless=True, exact=True, icc_profile=profile)


def _by_opencv(suffix: str, image: Array, options: list[int], profile: bytes) -> memoryview:
    kinds, metadata = ([cv2.IMAGE_METADATA_ICCP], [np.frombuffer(profile, np.uint8)]) if profile else ([], [])
    try:
        with _as_bgr(image) as bgr:
            done, data = cv2.imencodeWithMetadata(suffix, bgr, kinds, metadata, options)
    except cv2.error:
        done = False
    if not done:
        raise OverflowError
    return data.data


@contextmanager
def _as_bgr(image: Array) -> Iterator[Array]:
    """The image with its colours in OpenCV's order: a copy, or a large image itself for as long as it takes."""
    if image.shape[2] == 1:
        yield image
        return
    swap = cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    if image.nbytes < _NOT_COPIED or not (image.flags.writeable and image.flags.c_contiguous):
        yield cv2.cvtColor(image, swap)
        return
    try:
        for strip in strips(image):
            cv2.cvtColor(strip, swap, dst=strip)
        yield image
    finally:
        for strip in strips(image):
            cv2.cvtColor(strip, swap, dst=strip)
