"""Translation of a stream of frames, for ffmpeg, a simulator or a camera on both ends."""

import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from io import RawIOBase
from queue import Empty, Queue
from threading import Event, Lock, Thread
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from i2i_runtime.images import Array, with_channels
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


def run_on_standard_streams(model: ImageModel, size: tuple[int, int]) -> None:
    """Translate raw frames of a size (height, width) from standard input to standard output; messages go to errors."""
    height, width = size
    card = model.card
    rows, columns = size if model.prepare is None else model.prepare(np.zeros((*size, 3), np.uint8)).shape[:2]
    sizes = f"{width}x{height} in, {columns * card.scale}x{rows * card.scale} out"
    print(f"{card.product} on {model.engine} {model.provider}: frames of RGB24, {sizes}", file=sys.stderr, flush=True)
    stream = Stream(model)
    # Unbuffered: a buffer would hold frames back, and its lock the end of the program while a thread waits for input.
    with open(0, "rb", buffering=0, closefd=False) as source, open(1, "wb", buffering=0, closefd=False) as target:
        try:
            translate_raw_frames(stream, source, target, height=height, width=width)
        finally:
            print(stream.summary(), file=sys.stderr)


def translate_raw_frames(stream: Stream, source: RawIOBase, target: BinaryIO, *, height: int, width: int) -> None:
    """Translate raw RGB24 frames (height, width, 3), one after another without anything between them, to the same.

    Grey results are written as RGB; results are as large as the network makes them. Ends with the source, or quietly
    when the reader of the target has gone. `source` and `target` are unbuffered. Raises ValueError when the source ends
    within a frame, after all whole frames are written.
    """
    with suppress(BrokenPipeError), closing(stream.over(read_frames(source, height, width))) as results:
        for result in results:
            image = result if result.ndim == 3 else result[..., None]
            pixels = np.ascontiguousarray(with_channels(image, 3)).data.cast("B")
            while pixels:  # a pipe may take a part of it
                pixels = pixels[target.write(pixels) :]


def read_frames(source: RawIOBase, height: int, width: int) -> Iterator[Array]:
    """Raw frames as (height, width, 3) uint8. Raises ValueError when the source ends within one."""
    while True:
        frame: NDArray[np.uint8] = np.empty((height, width, 3), np.uint8)
        rest = frame.data.cast("B")
        while rest and (count := source.readinto(rest)):
            rest = rest[count:]
        if len(rest) == frame.nbytes:
            return
        if rest:
            raise ValueError(
                f"the last frame has {frame.nbytes - len(rest):,} of {frame.nbytes:,} bytes; "
                f"frames are raw RGB24 of {width}x{height} pixels: check --size and the pixel format of the source"
            )
        yield frame


def _spread(milliseconds: Iterable[float]) -> str:
    middle, late = np.percentile(list(milliseconds), (50, 95))
    return f"{middle:.1f} ms (95%: {late:.1f})"


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of "WIDTHxHEIGHT", or of one number for both. Raises ValueError for anything else."""
    words = text.lower().split("x")
    if len(words) > 2 or not all(word.isdecimal() and int(word) for word in words):
        raise ValueError(f"--size {text}: not a size in pixels; for example 640x480 (width x height), or 256")
    return int(words[-1]), int(words[0])
