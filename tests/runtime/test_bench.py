"""Models are measured round-robin, per image, without and with files."""

import re

import numpy as np
import pytest

from i2i_runtime import bench
from i2i_runtime.bench import Contender, measure, synthetic_photo, table
from i2i_runtime.card import Card

CARD = Card(product="g", in_channels=3, out_channels=3, multiple_of=8, min_size=16)


class Clock:
    """A clock that goes on only while a network runs."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(bench, "time", clock)
    return clock


def contender(name: str, clock: Clock, seconds: float, calls: list[tuple[str, tuple[int, ...]]]) -> Contender:
    def network(batch: np.ndarray) -> np.ndarray:
        calls.append((name, batch.shape))
        clock.now += seconds
        return batch

    return Contender(name, "none", network, CARD)


def test_models_are_measured_round_robin_and_per_image(clock: Clock) -> None:
    calls: list[tuple[str, tuple[int, ...]]] = []
    slow, fast = contender("slow", clock, 0.004, calls), contender("fast", clock, 0.001, calls)
    measure([slow, fast], height=20, width=33, batch=2, seconds=0.05)
    names = [name for name, shape in calls if shape[0] == 2]
    assert names == ["slow", "fast"] * (1 + len(slow.network_ms)), "the first is to warm up"
    assert {shape for _, shape in calls} == {(2, 3, 24, 40), (1, 3, 24, 40)}, "padded to what the network takes"
    assert len(slow.network_ms) == len(fast.network_ms) == 10, "0.05 s, of which each round takes 0.005"
    assert len(slow.file_ms) == len(fast.file_ms) == 3, "at least"
    assert slow.network_ms == pytest.approx([2] * 10) and fast.network_ms == pytest.approx([0.5] * 10)
    assert slow.file_ms == pytest.approx([4] * 3) and fast.file_ms == pytest.approx([1] * 3)


def test_the_table_has_the_medians_and_the_fastest_first() -> None:
    slow, fast = (Contender(name, "none", lambda batch: batch, CARD) for name in ("slow.onnx", "a"))
    slow.network_ms, slow.file_ms = [40.0, 1000.0, 20.0], [50.0]
    fast.network_ms, fast.file_ms = [10.0, 10.0, 9.0], [2000.0]
    head, first, second = table([slow, fast])
    assert re.split(r" {2,}", head.strip()) == ["model", "engine", "network ms", "best ms", "images/s", "with files ms",
                                                "images/s"]  # fmt: skip
    assert first.split() == ["a", "none", "10.0", "9.0", "100.0", "2,000.0", "0.5"]
    assert second.split() == ["slow.onnx", "none", "40.0", "20.0", "25.0", "50.0", "20.0"]
    assert len({len(head), len(first), len(second)}) == 1


def test_a_network_that_fails_is_one_sentence() -> None:
    def fails(batch: np.ndarray) -> np.ndarray:
        if len(batch) == 2:
            raise MemoryError
        return batch[:, :, 1:]

    contender = Contender("bad.onnx", "none", fails, CARD)
    with pytest.raises(ValueError, match=r"^bad.onnx: 2 of 16x16 pixels at once are too many for the memory; try a"):
        measure([contender], height=16, width=16, batch=2, seconds=0.01)
    with pytest.raises(ValueError, match=r"^bad.onnx: .*its card promises"):
        measure([contender], height=16, width=16, seconds=0.01)


def test_no_time_and_no_images_are_refused() -> None:
    for options in ({"batch": 0}, {"seconds": 0.0}):
        with pytest.raises(ValueError, match="allowed: a batch from 1, and more than 0 seconds"):
            measure([], height=8, width=8, **options)


def test_pictures_are_not_flat_nor_noise_and_differ() -> None:
    image = synthetic_photo(64, 48, seed=0)
    assert image.shape == (64, 48, 3) and image.dtype == np.uint8
    neighbours = np.abs(np.diff(image.astype(int), axis=1)).mean()
    assert 2 < neighbours < 0.5 * image.std() and not np.array_equal(image, synthetic_photo(64, 48, seed=1))
