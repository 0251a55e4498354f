"""Figures that can be trusted: in turns, per image, of the whole way from file to file."""

import re
import time

import numpy as np
import pytest

from i2i_runtime.bench import Contender, bench, picture, table
from i2i_runtime.card import Card

CARD = Card(product="g", in_channels=3, out_channels=3, multiple_of=8, min_size=16)


def sleeper(name: str, seconds: float, asked: list[tuple[str, tuple[int, ...]]]) -> Contender:
    def network(batch: np.ndarray) -> np.ndarray:
        asked.append((name, batch.shape))
        time.sleep(seconds)
        return batch

    return Contender(name, "none", network, CARD)


def test_models_are_measured_in_turns_and_a_slow_one_is_slower() -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []
    slow, fast = sleeper("slow", 0.004, asked), sleeper("fast", 0, asked)
    bench([slow, fast], height=20, width=33, batch=2, seconds=0.05)
    alone = [name for name, shape in asked if shape[0] == 2]
    assert alone == ["slow", "fast"] * (1 + len(slow.alone)), "the first is to warm up"
    assert {shape for _, shape in asked} == {(2, 3, 24, 40), (1, 3, 24, 40)}, "padded to what the network takes"
    assert len(slow.alone) == len(fast.alone) >= 3 and len(slow.with_files) == len(fast.with_files) >= 3
    assert 2 <= min(slow.alone) < 20, "per image, not per batch"
    assert min(slow.with_files) >= 4 and max(fast.alone) < min(slow.alone)


def test_the_table_has_the_medians_and_the_fastest_first() -> None:
    slow, fast = sleeper("slow.onnx", 0, []), sleeper("a", 0, [])
    slow.alone, slow.with_files = [40.0, 1000.0, 20.0], [50.0]
    fast.alone, fast.with_files = [10.0, 10.0, 9.0], [2000.0]
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
        bench([contender], height=16, width=16, batch=2, seconds=0.01)
    with pytest.raises(ValueError, match=r"^bad.onnx: .*its card promises"):
        bench([contender], height=16, width=16, seconds=0.01)


def test_no_time_and_no_images_are_refused() -> None:
    for options in ({"batch": 0}, {"seconds": 0.0}):
        with pytest.raises(ValueError, match="allowed: a batch from 1, and more than 0 seconds"):
            bench([], height=8, width=8, **options)  # type: ignore[arg-type]


def test_pictures_are_not_flat_nor_noise_and_differ() -> None:
    image = picture(64, 48, seed=0)
    assert image.shape == (64, 48, 3) and image.dtype == np.uint8
    neighbours = np.abs(np.diff(image.astype(int), axis=1)).mean()
    assert 2 < neighbours < 0.5 * image.std() and not np.array_equal(image, picture(64, 48, seed=1))
