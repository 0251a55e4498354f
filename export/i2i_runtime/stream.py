"""Translation of a stream of frames, for ffmpeg, a simulator or a camera on both ends."""

import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from functools import partial
from queue import Empty, Queue
from threading import Event, Lock, Thread
from typing import BinaryIO, TypeVar

import numpy as np

from i2i_runtime.frames import FrameFormat, PipeReader, recognise, write_fully
from i2i_runtime.images import Array
from i2i_runtime.images.prepare import is_unlike, size_advice
from i2i_runtime.interrupt import ending_calls
from i2i_runtime.translate import ImageModel

T = TypeVar("T")

_TIMED_FRAMES = 10_000  # whose times are kept, so that a stream may run for days


class Stream:
    """A translation frame by frame, by an opened model or any other function from an image to an image.

    Called with a frame it returns the translated one. `over` takes frames as they come: the next one is read, and the
    last one used, while the network works. The times of the last 10,000 frames are kept, in milliseconds: `network` is
    for the translation alone, `latency` from a frame's arrival until its result was used.
    """

    def __init__(self, translate: Callable[[Array], Array]) -> None:
        self._translate = translate
        self.frames = 0
        self.network: deque[float] = deque(maxlen=_TIMED_FRAMES)
        self.latency: deque[float] = deque(maxlen=_TIMED_FRAMES)
        self._begin = time.perf_counter()

    def __call__(self, frame: Array) -> Array:
        """Translate one image, as `translate_image`: (H, W) or (H, W, 1|3|4), uint8, uint16 or float32 in [0, 1]."""
        start = time.perf_counter()
        result = self._translate(frame)
        self.network.append(1000 * (time.perf_counter() - start))
        self.frames += 1
        return result

    def over(self, frames: Iterable[Array]) -> Generator[Array, None, None]:
        """The result of each frame, in order; a few are in memory at a time.

        What `frames` or the network raises is raised here after the results of the frames before.
        """
        self._begin = time.perf_counter()
        working, ended = Lock(), Event()
        arriving = prefetch((time.perf_counter(), frame) for frame in frames)

        def result_of(frame: Array) -> Array | None:
            with working:
                return None if ended.is_set() else self(frame)

        try:
            for arrival, result in prefetch((arrival, result_of(frame)) for arrival, frame in arriving):
                assert result is not None
                yield result
                # Whoever asks for the next result is done with this one.
                self.latency.append(1000 * (time.perf_counter() - arrival))
        finally:
            ended.set()
            with working:
                pass  # a thread that is in the network when Python ends aborts the whole program

    def summary(self) -> str:
        """Number of frames, frames per second, and times with their 95th percentile, in one line of text."""
        seconds = time.perf_counter() - self._begin
        if not self.network:
            return "no frames"
        text = f"{self.frames:,} frames in {seconds:.1f} s, {self.frames / seconds:.1f} frames/s; "
        text += f"network {_spread(self.network)}"
        return text + (f"; from read to written {_spread(self.latency)}" if self.latency else "")


def prefetch(items: Iterable[T]) -> Iterator[T]:
    """The items in order, computed in a thread of their own, up to two ahead.

    What computing them raises is raised here. Once this iterator is closed no further item is computed.
    """
    ready: Queue[tuple[T | None, BaseException | None]] = Queue(1)
    closed = Event()

    def compute() -> None:
        try:
            for item in items:
                ready.put((item, None))
                if closed.is_set():
                    return
            ready.put((None, StopIteration()))
        except BaseException as error:  # raised where the item would have been
            ready.put((None, error))

    # A daemon, since one that waits for a pipe cannot be woken and must not keep the program from ending.
    Thread(target=compute, daemon=True).start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        closed.set()
        with suppress(Empty):
            ready.get_nowait()  # space for the item that is being computed, so that the thread can end


def run_on_standard_streams(model: ImageModel, size: tuple[int, int] | None) -> None:
    """Translate frames from standard input to standard output, Y4M or raw of a size (height, width); messages go to
    errors.
    """
    stream = Stream(model)
    # Unbuffered: a buffer would hold frames back, and its lock the end of the program while a thread waits for input.
    with (
        open(0, "rb", buffering=0, closefd=False) as source,
        open(1, "wb", buffering=0, closefd=False) as target,
        ending_calls(),
    ):
        try:
            translate_frames(stream, PipeReader(source), target, size, announce=partial(announce, model))
        finally:
            print(stream.summary(), file=sys.stderr)


def announce(model: ImageModel, frames: FrameFormat) -> None:
    """Print the sizes of frames and results on standard error, and what to do about frames unlike those of training."""
    height, width = frames.height, frames.width
    if model.prepare is not None:
        height, width = model.prepare(np.zeros((height, width, 3), np.uint8)).shape[:2]
    sizes = f"{frames.width}x{frames.height} in, {width * model.card.scale}x{height * model.card.scale} out"
    what = f"{model.card.product} on {model.engine} {model.provider}: frames of {frames.name}, {sizes}"
    if model.prepare is None and is_unlike(model.card, height, width):
        what += f"\nframes are more than twice or less than half as large as in training; {size_advice(model.card)}"
    print(what, file=sys.stderr, flush=True)


def translate_frames(
    stream: Stream,
    reader: PipeReader,
    target: BinaryIO,
    size: tuple[int, int] | None = None,
    *,
    announce: Callable[[FrameFormat], None] = lambda frames: None,
) -> None:
    """Translate the frames of a pipe to the same format, as `recognise` finds it; `size` is that of raw ones.

    Grey results are written as RGB; results are as large as the network makes them. Ends with the source, or quietly
    when the reader of the target, which is unbuffered, has gone. Raises ValueError when the source ends within a frame,
    after all whole frames are written.
    """
    frames = recognise(reader, size)
    if frames is None:
        return
    announce(frames)
    with suppress(BrokenPipeError), closing(stream.over(frames.read(reader))) as results:
        for number, result in enumerate(results):
            if not number:
                write_fully(target, memoryview(frames.header(*result.shape[:2])))
            for part in frames.encode(result):
                write_fully(target, part)


def _spread(milliseconds: Iterable[float]) -> str:
    middle, late = np.percentile(list(milliseconds), (50, 95))
    return f"{middle:.1f} ms (95%: {late:.1f})"


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of "WIDTHxHEIGHT", or of one number for both. Raises ValueError for anything else."""
    words = text.lower().split("x")
    if len(words) > 2 or not all(word.isdecimal() and int(word) for word in words):
        raise ValueError(f"--size {text}: not a size in pixels; for example 640x480 (width x height), or 256")
    return int(words[-1]), int(words[0])
