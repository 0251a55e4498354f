"""Items from a thread of their own: all of them, or the newest."""

import threading
from collections.abc import Iterator

import pytest

from i2i_runtime.background import latest, prefetch
from tests.waits import HANGS


def test_prefetching_gives_everything_also_what_is_none() -> None:
    assert list(prefetch([None, 0, 1, None])) == [None, 0, 1, None]
    assert list(prefetch([])) == []


class Camera:
    """Items 0 to 2, then, when somebody has item 0 at least, those to 9; `gone` is set once 9 is there."""

    def __init__(self, error: Exception | None = None) -> None:
        self.first, self.gone, self.error, self.drops = threading.Event(), threading.Event(), error, 0

    def __iter__(self) -> Iterator[int]:
        yield 0
        assert self.first.wait(HANGS)
        yield from range(1, 10)
        self.gone.set()
        if self.error:
            raise self.error

    def drop(self) -> None:
        self.drops += 1


def test_the_newest_item_wins_and_those_before_it_are_counted() -> None:
    camera = Camera()
    items = latest(camera, camera.drop)
    assert next(items) == 0
    camera.first.set()
    assert camera.gone.wait(HANGS)
    assert list(items) == [9] and camera.drops == 8


def test_nothing_is_dropped_where_the_reader_is_faster() -> None:
    asked = threading.Semaphore(0)

    def source() -> Iterator[int]:
        for number in range(5):
            assert asked.acquire(timeout=HANGS)
            yield number

    drops: list[None] = []
    items, taken = latest(source(), lambda: drops.append(None)), []
    for _ in range(5):
        asked.release()
        taken.append(next(items))
    assert taken == [0, 1, 2, 3, 4] and not drops


def test_an_error_comes_after_the_last_item() -> None:
    camera = Camera(ValueError("the camera is gone"))
    items = latest(camera, camera.drop)
    next(items)
    camera.first.set()
    assert next(items) in range(1, 10)
    with pytest.raises(ValueError, match="the camera is gone"):
        for _ in range(10):
            next(items)


def test_a_closed_source_is_read_no_further() -> None:
    read, go_on = [], threading.Event()

    def source() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number
            go_on.wait(HANGS)

    items = latest(source(), lambda: None)
    next(items)
    items.close()
    go_on.set()
    for thread in threading.enumerate():
        if thread.name.endswith("(compute)"):
            thread.join(HANGS)
    assert len(read) <= 2
