"""Translation of a stream of frames, for ffmpeg, a simulator or a camera on both ends."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Lock
from typing import BinaryIO

import numpy as np

from i2i_runtime import engines
from i2i_runtime.background import latest, prefetch
from i2i_runtime.frames import FrameFormat, PipeReader, recognise, write_fully
from i2i_runtime.images import Array
from i2i_runtime.stabilise import Stabiliser
from i2i_runtime.tiles import Tiling
from i2i_runtime.timings import Timings
from i2i_runtime.translate import LARGEST_WHOLE, ImageModel, translate_image


class Stream:
    """A translation frame by frame, by an opened model or any other function from an image to an image.

    Called with a frame it returns the translated one. `over` takes frames as they come. `stabilise`, from 0 (off) to 1,
    is the strength of a `Stabiliser`. `timings` has the times of the frames, and how many were dropped; `over` counts
    them anew.
    """

    def __init__(
        self, translate: Callable[[Array], Array], *, stabilise: float = 0.0, timings: Timings | None = None
    ) -> None:
        self._translate = translate
        self._stabiliser = Stabiliser(stabilise) if stabilise else None
        self.timings = timings or Timings()

    def __call__(self, frame: Array) -> Array:
        """Translate one image, as `translate_image`: (H, W) or (H, W, 1|3|4), uint8, uint16 or float32 in [0, 1]."""
        begin = self.timings.clock()
        result = self._translate(frame)
        if self._stabiliser is not None:
            result = self._stabiliser(frame, result)
        self.timings.translated(begin)
        return result

    translate = __call__

    def warm_up(self, height: int, width: int) -> None:
        """Let the engine get ready for colour frames of this size, without a count of it."""
        self._translate(np.zeros((height, width, 3), np.uint8))

    def over(self, frames: Iterable[Array], *, live: bool = False) -> Generator[Array, None, None]:
        """The result of each frame, in order; a few are in memory at a time.

        The next frame is read, and the last result used, while the network works. With `live` the newest frame is
        translated once the network is free, and those before it are dropped. What `frames` or the network raises is
        raised here after the results of the frames before.
        """
        self.timings.restart()
        arriving = ((self.timings.clock(), frame) for frame in frames)
        return self._newest(arriving) if live else self._all(arriving)

    def _all(self, frames: Iterable[tuple[float, Array]]) -> Generator[Array, None, None]:
        working, ended = Lock(), Event()

        def result_of(frame: Array) -> Array | None:
            with working:
                return None if ended.is_set() else self(frame)

        try:
            for arrival, result in prefetch((arrival, result_of(frame)) for arrival, frame in prefetch(frames)):
                assert result is not None
                yield result
                # Whoever asks for the next result is done with this one.
                self.timings.used(arrival)
        finally:
            ended.set()
            with working:
                pass  # a thread that is in the network when Python ends aborts the whole program

    def _newest(self, frames: Iterable[tuple[float, Array]]) -> Generator[Array, None, None]:
        with closing(latest(frames, self.timings.drop)) as newest:
            for arrival, frame in newest:
                yield self(frame)
                self.timings.used(arrival)


def open_live(
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    stabilise: float = 0.0,
    engine: str = "auto",
    providers: Sequence[str] = ("auto",),
    threads: int = 0,
) -> Stream:
    """Open an exported file for the loop of a simulator or a robot.

    With the `size` (height, width) of the frames, engines get ready for it now instead of at the first frame. Raises
    ValueError as `engines.open_model`.
    """
    model = engines.open_model(path, engine=engine, providers=providers, threads=threads)
    stream = Stream(whole_frames(model), stabilise=stabilise)
    if size is not None:
        stream.warm_up(*size)
    return stream


def whole_frames(model: ImageModel) -> Callable[[Array], Array]:
    """A model as a function on frames, which go through whole rather than in tiles, up to 2 megapixels.

    Tiles keep the memory of large photos in bounds, and cost time: what they share is computed twice.
    """
    tiling = Tiling(model.card, 0)

    def translate(frame: Array) -> Array:
        if frame.shape[0] * frame.shape[1] > LARGEST_WHOLE:
            return model(frame)
        return translate_image(
            model.network, model.card, frame, tiling=tiling, banded=model.banded, prepare=model.prepare
        )

    return translate


def translate_frames(
    stream: Stream,
    reader: PipeReader,
    target: BinaryIO,
    size: tuple[int, int] | None = None,
    *,
    live: bool = False,
    announce: Callable[[FrameFormat], None] = lambda frames: None,
) -> None:
    """Translate the frames of a pipe to the same format, as `recognise` finds it; `size` is that of raw ones.

    Grey results are written as RGB; results are as large as the network makes them. Ends with the source, or quietly
    when the reader of the target, which is unbuffered, has gone. Raises ValueError when the source ends within a frame,
    after all whole frames are written. `live` is as in `Stream.over`.
    """
    frames = recognise(reader, size)
    if frames is None:
        return
    announce(frames)
    if live:
        stream.warm_up(frames.height, frames.width)  # or the first frame would take the time of many
    with suppress(BrokenPipeError), closing(stream.over(frames.read(reader), live=live)) as results:
        for number, result in enumerate(results):
            if not number:
                write_fully(target, memoryview(frames.header(*result.shape[:2])))
            for part in frames.encode(result):
                write_fully(target, part)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of "WIDTHxHEIGHT", or of one number for both. Raises ValueError for anything else."""
    words = text.lower().split("x")
    if len(words) > 2 or not all(word.isdecimal() and int(word) for word in words):
        raise ValueError(f"--size {text}: not a size in pixels; for example 640x480 (width x height), or 256")
    return int(words[-1]), int(words[0])
