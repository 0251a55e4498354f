"""Metadata of image files: the EXIF orientation, which is applied, and what a result's file takes over."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from PIL.Image import Exif
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from i2i_runtime.images.arrays import Array

_ORIENTATION = 0x112  # tag of EXIF and TIFF
_UPRIGHT = 1
_COLOUR_SPACE = slice(16, 20)  # of an ICC profile's header (ICC.1:2022, section 7.2.6)
# Chunks of PNG that say which colours its numbers mean (https://www.w3.org/TR/png-3, section 11.3.2)
_PNG_COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
_JPEG_SAMPLINGS = ((1, 1), (2, 1), (2, 2), (1, 2), (4, 1))  # that OpenCV writes


class Metadata(NamedTuple):
    """Metadata that the file of a result takes over from that of its image, where its format has it.

    `sampling` is by how much the colour of a JPEG is coarser than its brightness, across and down: (2, 2) is 4:2:0.
    """

    profile: bytes = b""  # ICC
    png_colour: tuple[tuple[bytes, bytes], ...] = ()  # names and contents of chunks
    sampling: tuple[int, int] | None = None
    is_lossless_webp: bool = False


def read_metadata(file: ImageFile, data: bytes) -> Metadata:
    """The metadata of a file's bytes, which Pillow has parsed as `file`."""
    return Metadata(
        profile=file.info.get("icc_profile") or b"",
        png_colour=tuple(_png_colour(data)) if isinstance(file, PngImageFile) else (),
        sampling=_sampling(file) if isinstance(file, JpegImageFile) else None,
        is_lossless_webp=isinstance(file, WebPImageFile) and _is_lossless(data),
    )


def _png_colour(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks about colour, all of which come before the pixels."""
    at = 8  # behind the signature
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 8 + size
        if name == b"IDAT":
            return
        if name in _PNG_COLOUR:
            yield name, data[at + 8 : end]
        at = end + 4


def _sampling(file: JpegImageFile) -> tuple[int, int] | None:
    """None for grey, and for what OpenCV does not write."""
    if len(file.layer) < 3:
        return None
    (_, across, down, _), (_, colour_across, colour_down, _) = file.layer[:2]
    found = across // colour_across, down // colour_down
    return found if found in _JPEG_SAMPLINGS else None


def _is_lossless(data: bytes) -> bool:
    """Whether the first image of a WebP is a VP8L chunk (https://developers.google.com/speed/webp/docs/riff_container)."""
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name in (b"VP8L", b"VP8 "):
            return bool(name == b"VP8L")
        at += 24 if name == b"ANMF" else 8 + size + size % 2  # into a frame, or over a chunk
    return False


def orientation(file: ImageFile) -> int:
    """The EXIF orientation (EXIF 2.32, section 4.6.4), 1 (upright) to 8."""
    if isinstance(file, TiffImageFile):
        value = file.tag_v2.get(_ORIENTATION, _UPRIGHT)
    else:
        # Not file.getexif(), which decodes a whole PNG to look behind its pixels.
        exif = Exif()
        with suppress(Exception):  # damaged EXIF is no EXIF, as for OpenCV
            exif.load(file.info.get("exif", b""))
        value = exif.get(_ORIENTATION, _UPRIGHT)
    return value if value in range(1, 9) else _UPRIGHT


def swaps_sides(orientation: int) -> bool:
    """Whether an image of this EXIF orientation is stored with height and width exchanged."""
    return orientation >= 5


def upright(image: Array, orientation: int) -> Array:
    """Turn and mirror a stored image (H, W, C) so that an EXIF orientation is undone."""
    if swaps_sides(orientation):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def suits_channels(profile: bytes, *, grey: bool) -> bool:
    """Whether an ICC profile is one for grey, or for RGB."""
    return profile[_COLOUR_SPACE] == (b"GRAY" if grey else b"RGB ")
