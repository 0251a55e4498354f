"""The command `stream`: frames from standard input to standard output, or a moving test picture to time a model."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from i2i_runtime.bench import synthetic_photo
from i2i_runtime.files import printable
from i2i_runtime.frames import FrameFormat, PipeReader, RawFrames
from i2i_runtime.images import Array
from i2i_runtime.images.prepare import is_unlike, size_advice
from i2i_runtime.interrupt import ending_calls
from i2i_runtime.stream import Stream, translate_frames, whole_frames
from i2i_runtime.timings import Timings
from i2i_runtime.translate import ImageModel

TEST_RATE, TEST_SECONDS = 30.0, 10.0  # frames per second of the test picture, and how long it moves
_STEP = 3  # pixels from frame to frame of the test picture


@dataclass(frozen=True)
class StreamOptions:
    """What the command takes besides the model: `size` (height, width) of raw frames, a file for timings, and so on.

    `test_rate` is in frames per second of a test picture in the place of standard input; 0 is for standard input, or,
    where that is a terminal, for a test picture at 30.
    """

    size: tuple[int, int] | None = None
    live: bool = False
    stabilise: float = 0.0
    timings: Path | None = None
    test_rate: float = 0.0


def run_stream(model: ImageModel, options: StreamOptions) -> None:
    """Translate frames from standard input to standard output, or time the model; messages go to standard error.

    Raises ValueError for a test picture without a size, and for a file of timings whose folder does not exist.
    """
    if options.timings is not None and not options.timings.absolute().parent.is_dir():
        raise ValueError(f"--timings {printable(options.timings)}: its folder does not exist; make it first")
    rate = options.test_rate or (TEST_RATE if sys.stdin.isatty() else 0.0)
    if rate and options.size is None:
        raise ValueError("there are no frames to read, so the model would be timed on a test picture: give its --size")
    stream = Stream(whole_frames(model), stabilise=options.stabilise)
    try:
        with ending_calls():
            if rate:
                _time_on_picture(stream, model, options.size or (0, 0), rate)
            else:
                _translate_standard_streams(stream, model, options)
    finally:
        print(stream.timings.summary(), file=sys.stderr)
        if options.timings is not None:
            facts = {"model": model.card.product, "engine": model.engine, "provider": model.provider}
            stream.timings.write(options.timings, **facts)


def time_stream(
    model: ImageModel,
    size: tuple[int, int],
    *,
    rate: float = TEST_RATE,
    seconds: float = TEST_SECONDS,
    stabilise: float = 0.0,
) -> Timings:
    """Timings of a model, as with `live`, on a moving test picture (height, width) of `rate` frames per second."""
    stream = Stream(whole_frames(model), stabilise=stabilise)
    _run_live(stream, size, rate, seconds)
    return stream.timings


def moving_picture(
    height: int,
    width: int,
    *,
    rate: float,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Array]:
    """Frames (height, width, 3) of uint8 of a camera that pans over a picture, `rate` a second, each at its time."""
    count = max(1, round(rate * seconds))
    picture = synthetic_photo(height, 2 * width, seed=0)
    begin = clock()
    for number in range(count):
        sleep(max(0.0, begin + number / rate - clock()))
        left = abs((_STEP * number + width) % (2 * width) - width)  # to and fro
        yield np.ascontiguousarray(picture[:, left : left + width])


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


def _translate_standard_streams(stream: Stream, model: ImageModel, options: StreamOptions) -> None:
    # Unbuffered: a buffer would hold frames back, and its lock the end of the program while a thread waits for input.
    with open(0, "rb", buffering=0, closefd=False) as source, open(1, "wb", buffering=0, closefd=False) as target:
        translate_frames(
            stream,
            PipeReader(source),
            target,
            options.size,
            live=options.live,
            announce=partial(announce, model),
        )


def _time_on_picture(stream: Stream, model: ImageModel, size: tuple[int, int], rate: float) -> None:
    announce(model, RawFrames(*size))
    what = f"a moving test picture, {rate:g} frames/s for {TEST_SECONDS:g} s, the newest frame first"
    print(f"{what}; results are not written", file=sys.stderr, flush=True)
    _run_live(stream, size, rate, TEST_SECONDS)


def _run_live(stream: Stream, size: tuple[int, int], rate: float, seconds: float) -> None:
    stream.warm_up(*size)
    for _ in stream.over(moving_picture(*size, rate=rate, seconds=seconds), live=True):
        pass
