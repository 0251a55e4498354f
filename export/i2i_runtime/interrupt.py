"""Calls of a network that a signal can end, however long they take.

Python handles a signal when the main thread comes back from a call, which a graph with a loop of a billion steps may
never do. A thread of its own therefore hears of signals by a pipe, and asks the engine to end its calls.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread, Timer, current_thread, main_thread

from i2i_runtime.signals import ENDING

PATIENCE = 10.0  # seconds that a network has to end an image, once the work is to end

GRACE = 5.0  # seconds more until the process ends with a network that does not

_ENDED = "ended by a signal"

_lock = Lock()
_calls: set[Callable[[], None]] = set()  # each ends a call that runs now
_is_ending = False


@contextmanager
def endable(end: Callable[[], None]) -> Iterator[None]:
    """A call of an engine, which `end`, called from another thread, makes raise an error. Raises ValueError in its
    place.
    """
    with _lock:
        if _is_ending:
            raise ValueError(_ENDED)
        _calls.add(end)
    try:
        yield
    except Exception:
        if _is_ending:
            raise ValueError(_ENDED) from None
        raise
    finally:
        with _lock:
            _calls.discard(end)


@contextmanager
def ending_calls(*, patience: float = 0.0) -> Iterator[None]:
    """End the network's calls so many seconds after a signal that ends jobs, or at a second Ctrl-C.

    What the signal does besides is as before. Has no effect outside the main thread.
    """
    global _is_ending
    if current_thread() is not main_thread():
        yield
        return
    source, target = os.pipe()
    os.set_blocking(target, False)
    before = signal.set_wakeup_fd(target, warn_on_full_buffer=False)
    watcher = Thread(target=_watch, args=(source, patience), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(target)
        watcher.join()
        os.close(source)
        _is_ending = False


def _watch(source: int, patience: float) -> None:
    """Read the numbers of signals as they come, until the other end of the pipe is closed."""
    timers: list[Timer] = []
    while numbers := os.read(source, 64):
        for number in filter(ENDING.__contains__, numbers):
            if not timers:
                timers = [_start_timer(patience, _end_calls), _start_timer(patience + GRACE, _leave, number)]
            elif number == signal.SIGINT:
                timers += [_start_timer(0, _end_calls), _start_timer(GRACE, _leave, number)]
    for timer in timers:
        timer.cancel()


def _start_timer(seconds: float, function: Callable[..., None], *arguments: int) -> Timer:
    timer = Timer(seconds, function, arguments)
    timer.daemon = True
    timer.start()
    return timer


def _end_calls() -> None:
    global _is_ending
    with _lock:
        _is_ending = True
        for end in _calls:
            end()


def _leave(number: int) -> None:
    """End the process where a call goes on all the same: an engine may look at the request between its nodes only."""
    if _calls:
        print("the network does not end: leaving it", file=sys.stderr, flush=True)
        os._exit(128 + number)
