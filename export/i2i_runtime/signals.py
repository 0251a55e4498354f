"""How a program ends: by Ctrl-C and SIGTERM at a safe point of long work, and by an error with one sentence."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Says whether the user, or the machine, has asked the program to end, and by which signal."""

    signal: int = 0

    def __call__(self) -> bool:
        return self.signal != 0


@contextmanager
def stop_on_signals(*, quiet: bool = False) -> Iterator[Stop]:
    """The first Ctrl-C (or SIGTERM) asks the work to end at the next safe point, which is printed unless `quiet`; a
    second one ends it at once.
    """
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.signal:
            raise KeyboardInterrupt
        stop.signal = number
        if not quiet:
            print("\nstopping after this step; once more to stop at once", file=sys.stderr)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def finish(run: Callable[[], int], sentence: Callable[[Exception], str], *, debug: bool) -> int:
    """The exit code of `run()`; an error is printed as a sentence and gives 1, or is raised with `debug`."""
    try:
        return run()
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            raise
        print(f"error: {sentence(error)}", file=sys.stderr)
        return 1
