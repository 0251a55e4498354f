"""What an image file says of itself before it is decoded: size, kind, orientation.

Pillow parses it, in 15 microseconds; its plugins are used directly because `Image.open` adds a size limit of its own.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from PIL.BmpImagePlugin import BmpImageFile
from PIL.Image import Exif
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from i2i_runtime.files import printable

# By the first bytes, not by the name: a PNG that is called a.jpg is a PNG.
_PLUGINS: tuple[tuple[bytes, Callable[[BinaryIO], ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"RIFF", WebPImageFile),
    (b"BM", BmpImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"II+\0", TiffImageFile),  # BigTIFF
    (b"MM\0+", TiffImageFile),
)
DAMAGED = "the file is truncated, damaged or of a kind that is not supported"
_GREY_MODES = ("1", "L", "I", "F", "I;16", "I;16B", "I;16L")
_ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
# Tags of EXIF and TIFF.
_ORIENTATION, _WIDTH, _HEIGHT, _BITS, _PLANES, _NUMBERS = 0x112, 0x100, 0x101, 0x102, 0x11C, 0x153


def parse(stream: BinaryIO, path: Path) -> ImageFile:
    """The header; nothing is decoded. Raises ValueError, naming the file, when it is empty, damaged or no image."""
    start = stream.read(8)
    if not start:
        raise ValueError(f"{printable(path)}: the file is empty")
    for magic, plugin in _PLUGINS:
        if start.startswith(magic):
            stream.seek(0)
            try:
                return plugin(stream)
            except Exception as error:  # whatever a parser meets in damaged bytes
                raise ValueError(f"{printable(path)}: {DAMAGED} ({error})") from error
    raise ValueError(f"{printable(path)}: not an image; readable: PNG, JPEG, WebP, BMP, TIFF")


def stored_size(file: ImageFile) -> tuple[int, int]:
    """Width and height before rotation, which some versions of Pillow apply to the size of a TIFF and others do not."""
    if isinstance(file, TiffImageFile):
        return file.tag_v2[_WIDTH], file.tag_v2[_HEIGHT]
    return file.size


def orientation(file: ImageFile) -> int:
    """The EXIF orientation, 1 (upright) to 8. From 5 on, height and width change places."""
    if isinstance(file, TiffImageFile):
        value = file.tag_v2.get(_ORIENTATION, 1)
    else:
        # Not file.getexif(), which decodes a whole PNG to look behind its pixels.
        exif = Exif()
        with suppress(Exception):  # damaged EXIF is no EXIF, as for OpenCV
            exif.load(file.info.get("exif", b""))
        value = exif.get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def channels(file: ImageFile) -> int:
    """1 (grey), 3 (RGB) or 4 (RGBA): what the file is read as."""
    if file.mode in _ALPHA_MODES or "transparency" in file.info:
        return 4
    return 1 if file.mode in _GREY_MODES else 3


def bits(file: ImageFile, path: Path) -> int:
    """8 or 16, per channel. Raises ValueError for a TIFF that neither Pillow nor OpenCV reads right."""
    if isinstance(file, PngImageFile):
        if not file.tile:
            raise ValueError(f"{printable(path)}: {DAMAGED} (no pixels)")
        return 16 if ";16" in str(file.tile[0][3]) else 8
    if not isinstance(file, TiffImageFile):
        return 8
    stored = max(file.tag_v2.get(_BITS, (1,)))
    is_unsigned = max(file.tag_v2.get(_NUMBERS, (1,))) == 1
    if stored not in (1, 2, 4, 8, 16) or not is_unsigned:
        kind = "whole" if is_unsigned else "signed or floating"
        raise ValueError(
            f"{printable(path)}: {kind} numbers of {stored} bits; allowed: whole numbers from 0, 8 or 16 bits"
        )
    if file.tag_v2.get(_PLANES) == 2 and (stored == 16 or file.mode == "LA"):
        raise ValueError(f"{printable(path)}: stored plane by plane; save it with the channels of each pixel together")
    return max(stored, 8)
