"""The speed of networks on this machine, alone and from file to file.

Several are measured round-robin, so that whatever else the machine does meets all of them.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from i2i_runtime import images, tiles
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, translate_folder
from i2i_runtime.interrupt import ending_calls
from i2i_runtime.translate import ImageModel, Network

_FILES = 8  # images of one round from file to file
_MIN_ROUNDS = 3  # however long they take


@dataclass
class Contender:
    """A network with a name and its engine, and the measured milliseconds per image, one for each round."""

    name: str
    engine: str
    network: Network
    card: Card
    network_ms: list[float] = field(default_factory=list)
    file_ms: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, model: ImageModel) -> "Contender":
        """An opened model as a contender."""
        return cls(name, f"{model.engine} {model.provider}", model.network, model.card)


def run(contenders: Sequence[Contender], size: tuple[int, int], *, batch: int, seconds: float) -> None:
    """Measure all contenders and print the table. Raises ValueError as `measure` does."""
    height, width = size
    with ending_calls():
        measure(contenders, height=height, width=width, batch=batch, seconds=seconds)
    print("\n".join(table(contenders)))


def measure(
    contenders: Sequence[Contender],
    *,
    height: int,
    width: int,
    batch: int = 1,
    seconds: float = 10.0,
) -> None:
    """Measure every contender on images of this size in pixels, for so many seconds each, without and with files.

    Without files the network runs on a batch of float32 in memory, whole and padded to a size it takes. With files a
    folder of PNG is read, translated image by image, and written. Raises ValueError when a network fails, or lacks the
    memory.
    """
    if batch < 1 or seconds <= 0:
        raise ValueError(f"batch {batch} for {seconds:g} seconds; allowed: a batch from 1, and more than 0 seconds")
    budget = seconds * len(contenders) / 2
    print(f"networks alone, about {budget:.0f} s", file=sys.stderr)
    calls = [_network_call(each, height, width, batch) for each in contenders]
    _measure_round_robin(calls, [each.network_ms for each in contenders], budget)
    print(f"from file to file, about {budget:.0f} s", file=sys.stderr)
    with TemporaryDirectory(prefix="i2i-bench-") as folder:
        source = Path(folder, "source")
        source.mkdir()
        for index in range(_FILES):
            images.write(source / f"{index}.png", synthetic_photo(height, width, seed=index))
        calls = [_folder_call(each, source, Path(folder, str(index))) for index, each in enumerate(contenders)]
        _measure_round_robin(calls, [each.file_ms for each in contenders], budget)


def synthetic_photo(height: int, width: int, *, seed: int) -> images.Array:
    """An image (height, width, 3) of uint8 that PNG compresses about as well as a photograph."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.random((12, 12, 3), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 0.02, (height, width, 3)).astype(np.float32)
    return images.from_float(smooth + noise, np.uint8)


def table(contenders: Sequence[Contender]) -> list[str]:
    """The measurements as lines of text: medians over the rounds, the fastest network first."""
    rows = [("model", "engine", "network ms", "best ms", "images/s", "with files ms", "images/s")]
    for each in sorted(contenders, key=lambda one: median(one.network_ms)):
        network, files = median(each.network_ms), median(each.file_ms)
        numbers = (network, min(each.network_ms), 1000 / network, files, 1000 / files)
        rows.append((each.name, each.engine, *(f"{number:,.1f}" for number in numbers)))  # type: ignore[arg-type]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(size) if at < 2 else cell.rjust(size) for at, (cell, size) in enumerate(zip(row, widths)))  # noqa: B905
        for row in rows
    ]


def _network_call(contender: Contender, height: int, width: int, batch: int) -> Callable[[], float]:
    card = contender.card
    rows, columns = tiles.padded_axes(card, height, width)
    image = images.with_channels(synthetic_photo(height, width, seed=0)[np.ix_(rows, columns)], card.in_channels)
    planes = np.ascontiguousarray(images.to_float(image).transpose(2, 0, 1))
    input_batch = np.repeat(planes[None], batch, axis=0)

    def call() -> float:
        try:
            return _milliseconds(lambda: contender.network(input_batch)) / batch
        except MemoryError:
            raise ValueError(
                f"{contender.name}: {batch} of {width}x{height} pixels at once are too many for the memory; "
                "try a smaller --size"
            ) from None

    return call


def _folder_call(contender: Contender, source: Path, target: Path) -> Callable[[], float]:
    def call() -> None:
        report = translate_folder(contender.network, contender.card, source, target, FolderOptions(overwrite=True))
        if report.failed:
            raise ValueError(f"{contender.name}: {report.failed[0][1]}")

    return lambda: _milliseconds(call) / _FILES


def _milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begin)


def _measure_round_robin(calls: Sequence[Callable[[], float]], results: Sequence[list[float]], seconds: float) -> None:
    """Append the results of the calls, in rounds until the seconds are over; a first round, to warm up, is left out."""
    for call in calls:
        call()
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < _MIN_ROUNDS or time.perf_counter() < end:
        for call, result in zip(calls, results, strict=True):
            result.append(call())
        rounds += 1
