"""How fast networks are on this machine, alone and from file to file, in turns so that they share its moods."""

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
from i2i_runtime.translate import Network

_FILES = 8  # images of one turn from file to file
_LEAST = 3  # turns, however long they take


@dataclass
class Contender:
    """A network with a name and what runs it, and what was measured: milliseconds per image, one for each turn."""

    name: str
    engine: str
    network: Network
    card: Card
    alone: list[float] = field(default_factory=list)
    with_files: list[float] = field(default_factory=list)


def bench(
    contenders: Sequence[Contender],
    *,
    height: int,
    width: int,
    batch: int = 1,
    seconds: float = 10.0,
    tell: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Measure every contender on images of this size in pixels, for so many seconds each, alone and with files.

    Alone is the network on a batch of float32 in memory, whole and padded to what it takes. With files, a folder of PNG
    is read, translated image by image, and written. Raises ValueError when a network fails, or lacks the memory.
    """
    if batch < 1 or seconds <= 0:
        raise ValueError(f"batch {batch} for {seconds:g} seconds; allowed: a batch from 1, and more than 0 seconds")
    budget = seconds * len(contenders) / 2
    tell(f"networks alone, about {budget:.0f} s")
    _in_turns([_alone(each, height, width, batch) for each in contenders], [each.alone for each in contenders], budget)
    tell(f"from file to file, about {budget:.0f} s")
    with TemporaryDirectory(prefix="i2i-bench-") as folder:
        source = Path(folder, "source")
        source.mkdir()
        for index in range(_FILES):
            images.write(source / f"{index}.png", picture(height, width, seed=index))
        calls = [_with_files(each, source, Path(folder, str(index))) for index, each in enumerate(contenders)]
        _in_turns(calls, [each.with_files for each in contenders], budget)


def picture(height: int, width: int, *, seed: int) -> images.Array:
    """An image (height, width, 3) of uint8 that PNG compresses about as well as a photograph."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.random((12, 12, 3), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 0.02, (height, width, 3)).astype(np.float32)
    return images.from_float(smooth + noise, np.uint8)


def table(contenders: Sequence[Contender]) -> list[str]:
    """What was measured, as lines of text: medians over the turns, the fastest network first."""
    rows = [("model", "engine", "network ms", "best ms", "images/s", "with files ms", "images/s")]
    for each in sorted(contenders, key=lambda one: median(one.alone)):
        alone, files = median(each.alone), median(each.with_files)
        numbers = (alone, min(each.alone), 1000 / alone, files, 1000 / files)
        rows.append((each.name, each.engine, *(f"{number:,.1f}" for number in numbers)))  # type: ignore[arg-type]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(size) if at < 2 else cell.rjust(size) for at, (cell, size) in enumerate(zip(row, widths)))  # noqa: B905
        for row in rows
    ]


def _alone(contender: Contender, height: int, width: int, batch: int) -> Callable[[], float]:
    card = contender.card
    rows, columns = tiles.padded_axes(card, height, width)
    image = images.with_channels(picture(height, width, seed=0)[np.ix_(rows, columns)], card.in_channels)
    given = np.repeat(np.ascontiguousarray(images.to_float(image).transpose(2, 0, 1))[None], batch, axis=0)

    def run() -> float:
        try:
            return _milliseconds(lambda: contender.network(given)) / batch
        except MemoryError:
            raise ValueError(
                f"{contender.name}: {batch} of {width}x{height} pixels at once are too many for the memory; "
                "try a smaller --size"
            ) from None

    return run


def _with_files(contender: Contender, source: Path, target: Path) -> Callable[[], float]:
    def translate() -> None:
        report = translate_folder(contender.network, contender.card, source, target, FolderOptions(overwrite=True))
        if report.failed:
            raise ValueError(f"{contender.name}: {report.failed[0][1]}")

    return lambda: _milliseconds(translate) / _FILES


def _milliseconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begin)


def _in_turns(calls: Sequence[Callable[[], float]], results: Sequence[list[float]], seconds: float) -> None:
    """Enter what the calls return, in turns until the seconds are over; their first, to warm up, is not counted."""
    for call in calls:
        call()
    end = time.perf_counter() + seconds
    turns = 0
    while turns < _LEAST or time.perf_counter() < end:
        for call, result in zip(calls, results, strict=True):
            result.append(call())
        turns += 1
