"""One network for several threads: their images go through it in batches of equal shape, or several at once."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition, Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_runtime.translate import Network

Float = NDArray[np.float32]


class OneByOne:
    """Everything in the caller's thread."""

    def __init__(self, network: Network) -> None:
        self.network, self.threads = network, 1

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """What the function returned or raised."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # as a pool's thread does
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        """Nothing is left to do."""


class _Call(NamedTuple):
    images: Float
    result: "Future[Float]"


class Together:
    """`batch` x `workers` threads whose calls of `network` are put together.

    Up to `batch` calls of equal shape become one, and up to `workers` of those run at once. A call waits for others to
    join as long as any of the threads may still bring one. When memory runs out, or a batch fails, its images go
    through one by one; an image that does not fit beside others goes through alone, and so do all after it.
    """

    def __init__(self, network: Network, *, batch: int, workers: int) -> None:
        self.threads = batch * workers
        self._network, self._batch, self._workers = network, batch, workers
        self._pool = ThreadPoolExecutor(self.threads)
        self._changed = Condition()
        self._waiting: list[_Call] = []
        self._running: list[int] = []  # calls in each batch that runs now
        self._retrying = 0  # of those, the ones that wait for the others to end, or run alone
        self._alone = Lock()
        self._busy = 0  # tasks that were submitted and have not ended

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Run a task, which may call `network`, in one of the threads."""
        with self._changed:
            self._busy += 1
        future = self._pool.submit(function, *arguments)
        future.add_done_callback(self._leave)
        return future

    def shutdown(self) -> None:
        """End the threads; what has not begun is left out."""
        self._pool.shutdown(cancel_futures=True)

    def network(self, images: Float) -> Float:
        """As the network itself. Called from a task only."""
        call = _Call(images, Future())
        with self._changed:
            self._waiting.append(call)
            self._changed.notify_all()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: call.result.done() or self._next())
                if call.result.done():
                    return call.result.result()
                # Whoever comes first runs the next batch, whether the own call is in it or not.
                group = self._next()
                self._waiting = [other for other in self._waiting if all(other is not one for one in group)]
                self._running.append(len(group))
            try:
                self._run(group)
            finally:
                with self._changed:
                    self._running.remove(len(group))
                    self._changed.notify_all()

    def _leave(self, future: "Future[Any]") -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def _next(self) -> list[_Call]:
        """The calls to run now: the oldest, and what has its shape; none while others may join them."""
        if not self._waiting or len(self._running) >= self._workers:
            return []
        group = [call for call in self._waiting if call.images.shape == self._waiting[0].images.shape][: self._batch]
        is_everybody_here = len(self._waiting) + sum(self._running) >= min(self._busy, self.threads)
        return group if len(group) == self._batch or is_everybody_here else []

    def _run(self, group: list[_Call]) -> None:
        if len(group) > 1:
            try:
                together = np.asarray(self._network(np.concatenate([call.images for call in group])))
                results = np.split(together, len(group))
            except MemoryError:
                self._batch = 1
            except Exception:  # of one of them, which will say so itself
                pass
            else:
                for call, result in zip(group, results, strict=True):
                    call.result.set_result(result)
                return
        for call in group:
            try:
                call.result.set_result(self._run_single(call.images))
            except Exception as error:  # goes to the thread that the image is from
                call.result.set_exception(error)

    def _run_single(self, images: Float) -> Float:
        had_company = self._workers > 1
        try:
            return self._network(images)
        except MemoryError:
            if not had_company:
                raise
        with self._changed:
            self._workers = 1  # so that no other begins
            self._retrying += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._running) == self._retrying)
        try:
            with self._alone:
                return self._network(images)
        finally:
            with self._changed:
                self._retrying -= 1
