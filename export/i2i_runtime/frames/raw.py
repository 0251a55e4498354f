"""Raw RGB24 frames, one after another without anything between them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from i2i_runtime.frames.pipes import PipeReader
from i2i_runtime.images import Array, with_channels


class RawFrames:
    """Raw frames of RGB24 and one size in pixels."""

    name = "RGB24"

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width

    def read(self, reader: PipeReader) -> Iterator[Array]:
        """The frames (height, width, 3) in uint8. Raises ValueError when the pipe ends within one, after the others."""
        while True:
            frame: NDArray[np.uint8] = np.empty((self.height, self.width, 3), np.uint8)
            count = reader.fill(frame.data.cast("B"))
            if not count:
                return
            if count < frame.nbytes:
                raise ValueError(
                    f"the last frame has {count:,} of {frame.nbytes:,} bytes; frames are raw RGB24 of "
                    f"{self.width}x{self.height} pixels: check --size and the pixel format of the source"
                )
            yield frame

    def header(self, height: int, width: int) -> bytes:
        """Nothing comes before raw frames."""
        return b""

    def encode(self, image: Array) -> list[memoryview]:
        """RGB24 of an image; grey becomes RGB, alpha is left out."""
        image = image if image.ndim == 3 else image[..., None]
        return [np.ascontiguousarray(with_channels(image, 3)).data.cast("B")]
