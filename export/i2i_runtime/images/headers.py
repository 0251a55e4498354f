"""The header of an image file, read without decoding: size, channels, bits per channel.

Pillow parses it, in 15 microseconds; its plugins are used directly because `Image.open` adds a size limit of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from i2i_runtime.files import printable
from i2i_runtime.images.metadata import orientation, swaps_sides

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
# Tags of TIFF 6.0
_WIDTH, _HEIGHT, _BITS_PER_SAMPLE, _PLANAR_CONFIGURATION, _SAMPLE_FORMAT = 0x100, 0x101, 0x102, 0x11C, 0x153
_PHOTOMETRIC, _SAMPLES_PER_PIXEL, _EXTRA_SAMPLES, _SUBFILE_TYPE = 0x106, 0x115, 0x152, 0xFE
_UNSIGNED, _PLANE_BY_PLANE = 1, 2
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3}  # samples of a pixel's colour by photometric interpretation
_ALPHA = (1, 2)  # kinds of extra samples: colours are multiplied by it, or not
_COPY_OR_MASK = 1 | 4  # bits of a subfile's type: a smaller copy of another page, a mask of it
_MOST_PAGES = 100


class Header(NamedTuple):
    """Shape and type of an image as `images.read` returns it; `bits` are 8 (uint8) or 16 (uint16)."""

    height: int
    width: int
    channels: int
    bits: int

    @property
    def nbytes(self) -> int:
        """Size of the decoded image in memory, in bytes."""
        return self.height * self.width * self.channels * self.bits // 8


@contextmanager
def parse_errors(path: Path) -> Iterator[None]:
    """Turn what a parser meets in damaged bytes into a ValueError that names the file."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith(printable(path)):
            raise
        raise ValueError(f"{printable(path)}: {DAMAGED} ({error})") from error


def read_header(stream: BinaryIO, path: Path) -> Header:
    """Shape and type of the image in a stream, which is not decoded. Raises ValueError that names `path`."""
    with parse_errors(path):
        file = parse(stream, path)
        width, height = stored_size(file)
        if swaps_sides(orientation(file)):
            width, height = height, width
        return Header(height, width, channels(file), bits(file, path))


def parse(stream: BinaryIO, path: Path) -> ImageFile:
    """Pillow's view of a file whose pixels are not decoded yet.

    Raises ValueError that names `path` for an empty or damaged file, for one that is no image, for several frames or
    pages, and for bands that are neither colours nor alpha.
    """
    start = stream.read(8)
    if not start:
        raise ValueError(f"{printable(path)}: the file is empty")
    for magic, plugin in _PLUGINS:
        if start.startswith(magic):
            stream.seek(0)
            with parse_errors(path):
                file = plugin(stream)
                _check_frames(file, path)
                if isinstance(file, TiffImageFile):
                    _check_samples(file, path)
                return file
    raise ValueError(f"{printable(path)}: not an image; readable: PNG, JPEG, WebP, BMP, TIFF")


def _check_frames(file: ImageFile, path: Path) -> None:
    """Raise ValueError for an animation or a TIFF of several pages, of which only the first would be read."""
    if isinstance(file, TiffImageFile):
        if _has_second_page(file):
            raise ValueError(f"{printable(path)}: a TIFF of several pages; save each page as a file of its own")
    elif (frames := getattr(file, "n_frames", 1)) > 1:
        raise ValueError(f"{printable(path)}: an animation of {frames} frames; save each frame as a file of its own")


def _has_second_page(file: TiffImageFile) -> bool:
    """True where another page follows the first one that is not a smaller copy, or a mask, of it."""
    try:
        for page in range(1, _MOST_PAGES):
            file.seek(page)
            if not file.tag_v2.get(_SUBFILE_TYPE, 0) & _COPY_OR_MASK:
                return True
    except Exception:  # EOFError after the last page, and what a parser meets where a damaged directory follows
        return False
    finally:
        file.seek(0)
    return False


def _check_samples(file: TiffImageFile, path: Path) -> None:
    """Raise ValueError where a pixel has samples that are neither its colour nor its alpha, such as near infrared."""
    samples = file.tag_v2.get(_SAMPLES_PER_PIXEL, 1)
    colours = _COLOURS.get(file.tag_v2.get(_PHOTOMETRIC, 1), samples)
    # Where a file does not say what its one extra sample is, it is alpha, as for Pillow and OpenCV.
    extra = tuple(file.tag_v2.get(_EXTRA_SAMPLES, ())) or (_ALPHA[0],) * (samples - colours)
    if samples < colours or len(extra) > 1 or any(kind not in _ALPHA for kind in extra):
        raise ValueError(
            f"{printable(path)}: {samples} samples a pixel, of which {min(samples, colours)} are grey or colour and"
            f" {samples - colours} neither that nor alpha; allowed: grey or RGB, with alpha or without"
        )


def stored_size(file: ImageFile) -> tuple[int, int]:
    """Width and height before rotation, which some versions of Pillow apply to the size of a TIFF and others do not."""
    if isinstance(file, TiffImageFile):
        return file.tag_v2[_WIDTH], file.tag_v2[_HEIGHT]
    return file.size


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
    stored = max(file.tag_v2.get(_BITS_PER_SAMPLE, (1,)))
    is_unsigned = max(file.tag_v2.get(_SAMPLE_FORMAT, (_UNSIGNED,))) == _UNSIGNED
    if stored not in (1, 2, 4, 8, 16) or not is_unsigned:
        kind = "whole" if is_unsigned else "signed or floating"
        raise ValueError(
            f"{printable(path)}: {kind} numbers of {stored} bits; allowed: whole numbers from 0, 8 or 16 bits"
        )
    if file.tag_v2.get(_PLANAR_CONFIGURATION) == _PLANE_BY_PLANE and (stored == 16 or file.mode == "LA"):
        raise ValueError(f"{printable(path)}: stored plane by plane; save it with the channels of each pixel together")
    return max(stored, 8)
