"""Frames in a pipe: raw RGB24 or Y4M, recognised by the first bytes."""

from i2i_runtime.frames.base import FrameFormat
from i2i_runtime.frames.pipes import PipeReader, write_fully
from i2i_runtime.frames.raw import RawFrames
from i2i_runtime.frames.y4m import MAGIC, Y4mFrames

__all__ = ["FrameFormat", "PipeReader", "RawFrames", "Y4mFrames", "recognise", "write_fully"]


def recognise(reader: PipeReader, size: tuple[int, int] | None) -> FrameFormat | None:
    """The format of a pipe's frames, whose header is read; None where the pipe ends before its first byte.

    `size` (height, width) is that of raw frames, which do not say it. Raises ValueError where it is missing, or is
    another than the Y4M header's, and for a Y4M header that cannot be read.
    """
    beginning = reader.peek(len(MAGIC))
    if not beginning:
        return None
    if beginning != MAGIC:
        if size is None:
            raise ValueError("the frames are not Y4M, which has a header; raw RGB24 frames need --size, as in 640x480")
        return RawFrames(*size)
    frames = Y4mFrames.read_header(reader)
    if size is not None and size != (frames.height, frames.width):
        said = f"--size says {size[1]}x{size[0]}, the Y4M header {frames.width}x{frames.height}"
        raise ValueError(f"{said}; leave out --size")
    return frames
