"""Iterators that are computed in a thread of their own: every item in order, or the newest one alone."""

from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from queue import Empty, Queue
from threading import Condition, Event, Thread
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T]) -> Generator[T, None, None]:
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


def latest(items: Iterable[T], dropped: Callable[[], object]) -> Generator[T, None, None]:
    """The newest item at each request, as a thread of their own computes them as fast as they come.

    `dropped` is called for every item that a newer one replaced before it was asked for. The last one is never dropped.
    What computing them raises is raised after the items before. Once this iterator is closed no further item is
    computed.
    """
    changed, closed = Condition(), Event()
    newest: list[T] = []
    ended: list[BaseException] = []

    def compute() -> None:
        end: BaseException = StopIteration()
        try:
            for item in items:
                with changed:
                    if newest:
                        dropped()
                    newest[:] = [item]
                    changed.notify()
                if closed.is_set():
                    return
        except BaseException as error:
            end = error
        with changed:
            ended.append(end)
            changed.notify()

    Thread(target=compute, daemon=True).start()  # a daemon, as above
    try:
        while True:
            with changed:
                changed.wait_for(lambda: newest or ended)
                if not newest:
                    break
                item = newest.pop()
            yield item
    finally:
        closed.set()
    if not isinstance(ended[0], StopIteration):
        raise ended[0]
