"""The time of a frame through exported networks on this machine: of the ladder's students, and of the trained one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from i2i.checkpoints.card import card_of
from i2i.distillation.budget import Budget
from i2i.distillation.ladder import Rung
from i2i.export import export
from i2i.networks.reparameterised import fold
from i2i_runtime.bench import synthetic_photo
from i2i_runtime.engines import open_model
from i2i_runtime.engines.base import ExportedModel
from i2i_runtime.images import Array, with_channels
from i2i_runtime.interrupt import ending_calls

_WARM_UP = 2  # frames of each network before its time counts
_LEAST = 20  # frames of each network, however long they take
_TRIED = 5  # frames of each network: one that keeps the budget for none of them is not timed further
_CALIBRATION = 4  # images for a student of 8 bits without training, of which every other one is for calibration


class EngineChoice(NamedTuple):
    """What runs exported networks: the options of `i2i_runtime.engines.open_model`."""

    engine: str = "auto"
    providers: tuple[str, ...] = ("auto",)
    threads: int = 0

    def open(self, file: Path) -> ExportedModel:
        """An exported file in this engine. Raises ValueError as `open_model`."""
        return open_model(file, engine=self.engine, providers=self.providers, threads=self.threads)


AUTO = EngineChoice()


@dataclass(frozen=True)
class Timing:
    """Milliseconds for a frame, from 8 bits to 8 bits: the median, the 99th percentile, and of how many frames."""

    name: str
    parameters: int
    p50: float
    p99: float
    frames: int
    engine: str

    @classmethod
    def of(cls, name: str, parameters: int, milliseconds: Sequence[float], engine: str) -> "Timing":
        """The percentiles of measured milliseconds."""
        middle, late = np.percentile(milliseconds, (50, 99))
        return cls(name, parameters, round(float(middle), 3), round(float(late), 3), len(milliseconds), engine)

    def keeps(self, budget: Budget, margin: float) -> bool:
        """True where the 99th percentile leaves the margin, a share, of the budget."""
        return self.p99 <= budget.milliseconds * (1 - margin)

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def time_ladder(
    rungs: Sequence[Rung],
    budget: Budget,
    *,
    source_channels: int = 3,
    target_channels: int = 3,
    scale: int = 1,
    engine: EngineChoice = AUTO,
    int8: bool = False,
    seconds: float = 3.0,
    track: Callable[[int, int], None] = lambda done, total: None,
) -> list[Timing]:
    """Export every student with random weights, and time all of them round-robin, for so many seconds each.

    `int8` has convolutions in 8 bits. `track` is called with the students exported so far and their number.
    """
    models, names, parameters = [], [rung.name for rung in rungs], []
    with TemporaryDirectory(prefix="i2i-ladder-") as folder:
        for number, rung in enumerate(rungs):
            student = rung.build(source_channels=source_channels, target_channels=target_channels, scale=scale)
            file = Path(folder, f"{number}.onnx")
            parameters.append(sum(weight.numel() for weight in fold(student).parameters()))
            images = [_example(source_channels, seed) for seed in range(_CALIBRATION)] if int8 else []
            # Random weights need not be near to what they are in 8 bits.
            card = card_of(student, {"product": rung.name})
            export(student, card, file, int8=images, least_psnr=0.0 if int8 else None)
            models.append(engine.open(file))
            track(number + 1, len(rungs))
        total = seconds * len(rungs)
        measured = time_frames(models, budget, channels=source_channels, seconds=total, give_up=True)
    engines = [f"{model.engine} {model.provider}" for model in models]
    return [Timing.of(*each) for each in zip(names, parameters, measured, engines, strict=True)]


def time_frames(
    models: Sequence[Callable[[Array], Array]],
    budget: Budget,
    *,
    channels: int = 3,
    seconds: float,
    give_up: bool = False,
) -> list[list[float]]:
    """Milliseconds of each model for frame after frame of the budget's size, round-robin, for so many seconds in all.

    With `give_up` a model that keeps the budget for none of its first frames is timed no further.
    """
    frames = [with_channels(synthetic_photo(budget.height, budget.width, seed=seed), channels) for seed in range(4)]
    taken: list[list[float]] = [[] for _ in models]
    with ending_calls():
        for model in models:
            for frame in frames[:_WARM_UP]:
                model(frame)
        end, number = time.perf_counter() + seconds, 0
        while number < _LEAST or time.perf_counter() < end:
            timed = [at for at in range(len(models)) if not (give_up and _is_hopeless(taken[at], budget))]
            if not timed:
                break
            for at in timed:
                begin = time.perf_counter()
                models[at](frames[number % len(frames)])
                taken[at].append(1000 * (time.perf_counter() - begin))
            number += 1
    return taken


def choose(timings: Sequence[Timing], budget: Budget, margin: float) -> int:
    """The number of the first, and thus the largest, student that keeps the budget. Raises ValueError where none does,
    with budgets that the fastest would keep.
    """
    for number, timing in enumerate(timings):
        if timing.keeps(budget, margin):
            return number
    fastest = min(timings, key=lambda each: each.p99)
    raise ValueError(
        f"--budget {budget.text}: no student keeps it on this machine; the fastest, {fastest.name}, takes "
        f"{fastest.p99:.1f} ms (p99) where {budget.milliseconds * (1 - margin):.1f} ms are allowed, and would keep "
        f"{budget.alternatives(fastest.p99, margin, 8)}"
    )


def table(timings: Sequence[Timing], budget: Budget, margin: float) -> list[str]:
    """The ladder as lines of text, with the students that keep the budget, of which the first is chosen."""
    rows = [("student", "parameters", "p50 ms", "p99 ms", "frames", "")]
    chosen = next((each for each in timings if each.keeps(budget, margin)), None)
    for each in timings:
        verdict = "chosen" if each is chosen else "keeps it" if each.keeps(budget, margin) else "too slow"
        numbers = f"{each.parameters:,}", f"{each.p50:.1f}", f"{each.p99:.1f}", str(each.frames)
        rows.append((each.name, *numbers, verdict))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    align = ("<", ">", ">", ">", ">", "<")
    lines = ["  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths)) for row in rows]  # noqa: B905
    limit = f"{budget.milliseconds * (1 - margin):.1f} ms of {budget.milliseconds:.1f} ({margin:.0%} margin)"
    return [line.rstrip() for line in lines] + [f"{budget.text} on {timings[0].engine}: p99 up to {limit}"]


def _is_hopeless(milliseconds: Sequence[float], budget: Budget) -> bool:
    return len(milliseconds) >= _TRIED and min(milliseconds) > budget.milliseconds


def _example(channels: int, seed: int) -> Any:
    image = with_channels(synthetic_photo(128, 160, seed=seed), channels)
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None]).astype(np.float32) / 255
