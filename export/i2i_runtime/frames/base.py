"""The contract of a format of frames."""

from collections.abc import Iterator
from typing import Protocol

from i2i_runtime.frames.pipes import PipeReader
from i2i_runtime.images import Array


class FrameFormat(Protocol):
    """A format of frames in a pipe; results are written in the format of the frames that were read."""

    name: str
    height: int  # pixels
    width: int

    def read(self, reader: PipeReader) -> Iterator[Array]:
        """The frames (height, width, 3) in uint8. Raises ValueError when the pipe ends within one, after the others."""

    def header(self, height: int, width: int) -> bytes:
        """What comes before the first result, of a height and width in pixels."""

    def encode(self, image: Array) -> list[memoryview]:
        """A result (H, W), or (H, W, 1|3|4), in uint8 as bytes to write one after another."""
