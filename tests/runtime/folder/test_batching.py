"""Calls of several threads become batches, and memory that runs out makes them alone, without a wrong or lost one."""

import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest

from i2i_runtime.folder.batching import BatchingPool
from tests.waits import HANGS


def image(value: float, size: int = 4) -> np.ndarray:
    return np.full((1, 3, size, size), value, np.float32)


def run(pool: BatchingPool, *images: np.ndarray) -> list[Future]:
    """One task for each image, all of them in their threads before the first begins."""
    begin = threading.Event()

    def task(one: np.ndarray) -> np.ndarray:
        begin.wait(HANGS)
        return pool.network(one)

    futures = [pool.submit(task, one) for one in images]
    begin.set()
    for future in futures:
        future.exception(timeout=HANGS)
    pool.shutdown()
    return futures


def test_calls_of_equal_shape_become_one():
    seen = []

    def network(batch):
        seen.append(batch.shape)
        return batch + 1

    given = [image(index, size=4 if index != 2 else 8) for index in range(9)]
    results = run(BatchingPool(network, batch=4, workers=1), *given)
    for one, result in zip(given, results, strict=True):
        np.testing.assert_array_equal(result.result(), one + 1)
    assert sum(shape[0] for shape in seen) == 9
    assert len(seen) <= 5 and max(shape[0] for shape in seen) == 4


@pytest.mark.parametrize("batch", [1, 2])
def test_as_many_run_at_once_as_there_are_workers_and_no_more(batch):
    running, most, lock = 0, 0, threading.Lock()

    def network(batch):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return batch

    run(BatchingPool(network, batch=batch, workers=2), *(image(index) for index in range(12)))
    assert most == 2


def test_a_batch_that_does_not_fit_goes_through_one_by_one_and_so_does_the_rest():
    seen = []

    def network(batch):
        seen.append(len(batch))
        if len(batch) > 1:
            raise MemoryError
        return batch

    results = run(BatchingPool(network, batch=3, workers=1), *(image(index) for index in range(9)))
    assert [float(result.result().max()) for result in results] == list(range(9))
    assert sorted(seen) == [1] * 9 + [seen[0]] and seen[0] > 1


def test_images_that_do_not_fit_beside_each_other_go_through_alone():
    running, lock, failures = 0, threading.Lock(), []

    def network(batch):
        nonlocal running
        with lock:
            running += 1
            crowded = running > 1
        time.sleep(0.01)
        with lock:
            running -= 1
        if crowded:
            failures.append(1)
            raise MemoryError
        return batch

    results = run(BatchingPool(network, batch=1, workers=4), *(image(index) for index in range(12)))
    assert [float(result.result().max()) for result in results] == list(range(12))
    # Those that ran beside the first, and one or two that began before these had failed; not all twelve.
    assert 1 <= len(failures) <= 6, "it was learnt once"


def test_an_image_that_does_not_fit_alone_says_so_and_the_others_go_on():
    def network(batch):
        if (batch == 2).any():
            raise MemoryError("no room")
        return batch

    results = run(BatchingPool(network, batch=2, workers=2), *(image(index) for index in range(8)))
    assert [result.exception() is None for result in results] == [index != 2 for index in range(8)]
    assert isinstance(results[2].exception(), MemoryError)


def test_a_network_that_returns_too_few_fails_for_its_images_only():
    results = run(
        BatchingPool(lambda batch: batch[: len(batch) // 2], batch=3, workers=1), *(image(1) for _ in range(3))
    )
    assert [len(result.result()) for result in results] == [0, 0, 0], "which translate_image refuses, by its card"
