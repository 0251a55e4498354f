"""Metadata of image files: the EXIF orientation, which is applied, and the ICC profile, which is kept."""

from contextlib import suppress

import numpy as np
from PIL.Image import Exif
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from i2i_runtime.images.arrays import Array

_ORIENTATION = 0x112  # tag of EXIF and TIFF
_UPRIGHT = 1
_COLOUR_SPACE = slice(16, 20)  # of an ICC profile's header (ICC.1:2022, section 7.2.6)


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


def icc_profile(file: ImageFile) -> bytes:
    """The ICC profile that says which colours a file's numbers mean; empty where there is none."""
    return file.info.get("icc_profile") or b""


def suits_channels(profile: bytes, *, grey: bool) -> bool:
    """Whether an ICC profile is one for grey, or for RGB."""
    return profile[_COLOUR_SPACE] == (b"GRAY" if grey else b"RGB ")
