"""Dynamic batching: one network for several threads, whose images go through in batches of equal shape."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition, Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_runtime.translate import Network

Float = NDArray[np.float32]


def completed(function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    """Call a function at once; the future has its result, or the exception that it raised."""
    future: Future[Any] = Future()
    try:
        future.set_result(function(*arguments))
    except Exception as error:  # as a pool's thread does
        future.set_exception(error)
    return future


class SerialPool:
    """A pool without threads: tasks, and the network, run in the caller's thread."""

    threads = 1

    def __init__(self, network: Network) -> None:
        self.network = network

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Run a task, which may call `network`, before this returns."""
        return completed(function, *arguments)

    def shutdown(self) -> None:
        """Do nothing: no task is left."""


class _Request(NamedTuple):
    images: Float
    result: "Future[Float]"


class BatchingPool:
    """`batch` x `workers` threads whose calls of `network` are collected into batches.

    Up to `batch` calls of equal shape become one, and up to `workers` of those run at once. A call waits for others as
    long as any of the threads may still bring one. When memory runs out, or a batch fails, its images go through one by
    one; an image that does not fit beside others goes through by itself, and so do all after it.
    """

    def __init__(self, network: Network, *, batch: int, workers: int) -> None:
        self.threads = batch * workers
        self._network, self._batch, self._workers = network, batch, workers
        self._pool = ThreadPoolExecutor(self.threads)
        self._changed = Condition()
        self._waiting: list[_Request] = []
        self._running: list[int] = []  # sizes of the batches that run now
        self._retrying = 0  # of those, the ones that wait for the others to end, or run by themselves
        self._retry_lock = Lock()
        self._tasks = 0  # that were submitted and have not ended

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Run a task, which may call `network`, in one of the threads."""
        self._count_tasks(1)
        future = self._pool.submit(function, *arguments)
        future.add_done_callback(lambda _: self._count_tasks(-1))
        return future

    def shutdown(self) -> None:
        """End the threads; tasks that have not begun are cancelled."""
        self._pool.shutdown(cancel_futures=True)

    def network(self, images: Float) -> Float:
        """Call the network from a task; returns when a batch with these images has run."""
        request = _Request(images, Future())
        with self._changed:
            self._waiting.append(request)
            self._changed.notify_all()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: request.result.done() or self._next_batch())
                if request.result.done():
                    return request.result.result()
                # Whoever comes first runs the next batch, whether the own request is in it or not.
                batch = self._next_batch()
                self._waiting = [other for other in self._waiting if all(other is not one for one in batch)]
                self._running.append(len(batch))
            try:
                self._run(batch)
            finally:
                with self._changed:
                    self._running.remove(len(batch))
                    self._changed.notify_all()

    def _count_tasks(self, change: int) -> None:
        with self._changed:
            self._tasks += change
            self._changed.notify_all()

    def _next_batch(self) -> list[_Request]:
        """The oldest request and others of its shape; empty while further ones may come, or all workers are busy."""
        if not self._waiting or len(self._running) >= self._workers:
            return []
        shape = self._waiting[0].images.shape
        batch = [request for request in self._waiting if request.images.shape == shape][: self._batch]
        is_complete = len(self._waiting) + sum(self._running) >= min(self._tasks, self.threads)
        return batch if len(batch) == self._batch or is_complete else []

    def _run(self, batch: list[_Request]) -> None:
        if len(batch) > 1 and self._run_batch(batch):
            return
        for request in batch:
            self._run_request(request)

    def _run_request(self, request: _Request) -> None:
        try:
            request.result.set_result(self._run_single(request.images))
        except Exception as error:  # goes to the thread that the image is from
            request.result.set_exception(error)

    def _run_batch(self, batch: list[_Request]) -> bool:
        try:
            results = np.asarray(self._network(np.concatenate([request.images for request in batch])))
            parts = np.split(results, len(batch))
        except MemoryError:
            self._batch = 1
            return False
        except Exception:  # of one image, which raises it again by itself
            return False
        for request, result in zip(batch, parts, strict=True):
            request.result.set_result(result)
        return True

    def _run_single(self, images: Float) -> Float:
        others_may_run = self._workers > 1
        try:
            return self._network(images)
        except MemoryError:
            if not others_may_run:
                raise
        with self._changed:
            self._workers = 1  # so that no other begins
            self._retrying += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._running) == self._retrying)
        try:
            with self._retry_lock:
                return self._network(images)
        finally:
            with self._changed:
                self._retrying -= 1


Pool = SerialPool | BatchingPool
