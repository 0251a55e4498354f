"""Y4M (YUV4MPEG2): frames whose header says their size, rate and colour format, which ffmpeg calls yuv4mpegpipe.

The format is that of mjpegtools, yuv4mpeg(5): https://manpages.debian.org/mjpegtools/yuv4mpeg.5. Its header does not
name the matrix from RGB: it is BT.601 here, as in ffmpeg where nothing else is said.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i_runtime.frames.pipes import PipeReader
from i2i_runtime.images import Array, with_channels

MAGIC = b"YUV4MPEG2 "
_FRAME = b"FRAME"
_LONGEST_LINE = 4096  # bytes
_LARGEST_SIDE = 2**15  # pixels


class _Chroma(NamedTuple):
    """How the two planes of colour lie on that of brightness: pixels of it per sample across and down, and where the
    first sample lies from the middle of the pixels that it stands for, in samples.
    """

    across: int = 1
    down: int = 1
    left: float = 0.0
    top: float = 0.0


# By the word in the header (C420jpeg). MPEG-2's samples lie on the left of their pixels, DV's also on the top row.
_CHROMA: dict[str, _Chroma | None] = {
    "420": _Chroma(2, 2),
    "420jpeg": _Chroma(2, 2),
    "420mpeg2": _Chroma(2, 2, left=0.25),
    "420paldv": _Chroma(2, 2, left=0.25, top=0.25),
    "422": _Chroma(2, 1, left=0.25),
    "444": _Chroma(),
    "mono": None,
}

# BT.601, section 2.5.1: luma is 0.299 R + 0.587 G + 0.114 B.
_RED, _BLUE = 0.299, 0.114
_FROM_RGB = np.array([[_RED, 1 - _RED - _BLUE, _BLUE]] * 3)
_FROM_RGB[1:] = (np.eye(3)[[2, 0]] - _FROM_RGB[0]) / (2 * (1 - np.array([[_BLUE], [_RED]])))


class Y4mFrames:
    """Frames of Y4M in 8 bits, after their header.

    `colours` is its colour format without the C, `is_full` says that levels are 0 to 255, not 16 to 235. `tags` are
    what the results' header keeps: frame rate, interlacing, aspect ratio of a pixel. Results are written in 4:4:4 and
    the same range of levels.
    """

    def __init__(self, height: int, width: int, colours: str, *, is_full: bool, tags: tuple[str, ...]) -> None:
        self.height, self.width, self._tags, self._is_full = height, width, tags, is_full
        self.name = f"Y4M {colours}"
        self._chroma = _CHROMA[colours]
        to_levels = np.array([1.0, 1, 1]) if is_full else np.array([219, 224, 224]) / 255
        offset = np.array([0.0 if is_full else 16.0, 128, 128])
        encode = to_levels[:, None] * _FROM_RGB
        decode = np.linalg.inv(encode)
        self._encode = np.column_stack([encode, offset])
        self._decode = np.column_stack([decode, -decode @ offset])

    @classmethod
    def read_header(cls, reader: PipeReader) -> "Y4mFrames":
        """The format that a header describes. Raises ValueError for one that cannot be read."""
        words = _read_line(reader, MAGIC).decode("ascii", "replace").split()[1:]
        tags = {word[0]: word[1:] for word in words if word[0] != "X"}
        height, width = (int(tags[tag]) if re.fullmatch(r"[0-9]{1,5}", tags.get(tag, "")) else 0 for tag in "HW")
        if not (1 <= height <= _LARGEST_SIDE and 1 <= width <= _LARGEST_SIDE):
            raise ValueError(f"the Y4M header {' '.join(words)[:80]!r} has no width and height up to {_LARGEST_SIDE}")
        colours = tags.get("C", "420")
        if colours not in _CHROMA:
            raise ValueError(
                f"Y4M of the colour format {colours[:20]!r} is not read; choose from: {', '.join(_CHROMA)}, such as "
                "ffmpeg's -pix_fmt yuv444p"
            )
        kept = tuple(f"{tag}{tags[tag]}" for tag in "FIA" if tag in tags)
        return cls(height, width, colours, is_full="XCOLORRANGE=FULL" in words, tags=kept)

    def read(self, reader: PipeReader) -> Iterator[Array]:
        """The frames (height, width, 3) in uint8. Raises ValueError when the pipe ends within one, after the others."""
        shapes = self._plane_shapes()
        size = sum(rows * columns for rows, columns in shapes)
        number = 0
        while line := _read_line(reader, _FRAME):
            if not line.startswith(_FRAME):
                raise ValueError(f"frame {number + 1} of the Y4M stream does not begin with FRAME: it is damaged")
            data: NDArray[np.uint8] = np.empty(size, np.uint8)
            if (count := reader.fill(data.data)) < size:
                raise ValueError(
                    f"the last frame has {count:,} of {size:,} bytes: the source of the Y4M stream ended within it"
                )
            number += 1
            yield self._decoded(data, shapes)

    def header(self, height: int, width: int) -> bytes:
        """The header of results."""
        levels = "FULL" if self._is_full else "LIMITED"
        words = ("YUV4MPEG2", f"W{width}", f"H{height}", *self._tags, "C444", f"XCOLORRANGE={levels}")
        return f"{' '.join(words)}\n".encode()

    def encode(self, image: Array) -> list[memoryview]:
        """A frame of Y4M in 4:4:4 of an image; alpha is left out."""
        image = image if image.ndim == 3 else image[..., None]
        planes = cv2.split(cv2.transform(np.ascontiguousarray(with_channels(image, 3)), self._encode))
        return [memoryview(_FRAME + b"\n"), *(np.ascontiguousarray(plane).data.cast("B") for plane in planes)]

    def _plane_shapes(self) -> list[tuple[int, int]]:
        """Rows and columns of the planes in a frame."""
        luma = (self.height, self.width)
        if self._chroma is None:
            return [luma]
        chroma = (-(-self.height // self._chroma.down), -(-self.width // self._chroma.across))
        return [luma, chroma, chroma]

    def _decoded(self, data: NDArray[np.uint8], shapes: list[tuple[int, int]]) -> Array:
        ends = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
        luma, *chroma = (plane.reshape(shape) for plane, shape in zip(np.split(data, ends), shapes, strict=True))
        grey = [np.full_like(luma, 128)] * 2
        return cv2.transform(cv2.merge([luma, *(map(self._enlarged, chroma) if chroma else grey)]), self._decode)

    def _enlarged(self, plane: Array) -> Array:
        """A plane of colour at the size of that of brightness, by linear interpolation."""
        assert self._chroma is not None
        across, down, left, top = self._chroma
        if across == down == 1:
            return plane
        # From the middle of a pixel of brightness to the sample of colour that lies there.
        x, y = (1 / across - 1) / 2 + left, (1 / down - 1) / 2 + top
        to_sample = np.array([[1 / across, 0, x], [0, 1 / down, y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.width, self.height)
        return cv2.warpAffine(plane, to_sample, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _read_line(reader: PipeReader, beginning: bytes) -> bytes:
    """A line that ought to begin so, with its end; empty at the end of the pipe. Raises ValueError where it is cut."""
    line = reader.read(len(beginning))
    while line and not line.endswith(b"\n"):
        byte = reader.read(1)
        if not byte or len(line) == _LONGEST_LINE:
            words = line[:20].decode("ascii", "replace")
            raise ValueError(f"the Y4M stream ends within the line {words!r}, or is damaged there")
        line += byte
    return line
