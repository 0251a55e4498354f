"""Utility of translated frames: how well a segmenter that was trained on them does on real ones.

The same small segmenter is trained on source frames, on translated ones, on both, and on real ones where these have
label maps, each time with the same seeds and number of steps, and tested on the same real frames: the protocol of
CyCADA (Hoffman et al. 2018, section 4, https://arxiv.org/abs/1711.03213) and GTA-to-Cityscapes papers since, in small.

    from i2i import evaluate
    source = evaluate.LabelledFolder(Path("sim"), Path("sim_labels"))
    real = evaluate.LabelledFolder(Path("real"), Path("real_labels"))
    frames = evaluate.open_utility_frames(source, {"translated": Path("out")}, real, size=(128, 96))
    evaluate.evaluate_utility(frames, steps=300, seeds=3).lines()
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from i2i.evaluate.fit_segmenter import confusion_of, fit_segmenter
from i2i.evaluate.labelled_frames import LabelledFrames
from i2i.evaluate.pairs import Progress
from i2i.metrics.segmentation.iou import Counts, iou
from i2i.registry import did_you_mean
from i2i_runtime.files import write_atomically

UTILITY_FILE = "utility.json"  # in a run's folder
SOURCE, TRANSLATED, BOTH, REAL = TRAINING_SETS = ("source", "translated", "both", "real")
_MEAN = "mIoU"


class UtilityFrames(NamedTuple):
    """Labelled frames of the source, of translations of them by name, real ones to test on, and real ones to train on
    where there are some; `classes` are the names of their labels, `left_out` sentences about files that cannot be read.
    """

    source: LabelledFrames
    translated: Mapping[str, LabelledFrames]
    real_test: LabelledFrames
    classes: Sequence[str]
    real_train: LabelledFrames | None = None
    left_out: Sequence[str] = ()


@dataclass
class UtilityRow:
    """IoU of each class for each seed, (seeds, classes), of a segmenter trained on one set and tested on another; NaN
    for classes that the test set does not show.
    """

    trained_on: str
    tested_on: str
    by_seed: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, counts: Counts) -> None:
        """Add the result of a seed. Classes count that the test set shows, so that all rows are means of the same."""
        self.by_seed.append(np.where(counts.sum(1) > 0, iou(counts), np.nan))

    @property
    def mean_iou(self) -> list[float]:
        """Mean IoU over classes, for each seed."""
        return [float(np.nanmean(each)) for each in self.by_seed]

    @property
    def spread(self) -> float:
        """Standard deviation of the mean IoU over seeds; NaN for one seed."""
        return float(np.std(self.mean_iou, ddof=1)) if len(self.by_seed) > 1 else float("nan")

    def class_means(self) -> NDArray[np.float64]:
        """Mean IoU over seeds of each class."""
        return np.mean(self.by_seed, axis=0)


@dataclass
class UtilityResult:
    """Rows of a table of utility; `facts` say what was measured, and how."""

    classes: tuple[str, ...]
    rows: list[UtilityRow] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def row(self, trained_on: str, tested_on: str = REAL) -> UtilityRow:
        """The row of these sets. Raises KeyError where it was not measured."""
        for row in self.rows:
            if (row.trained_on, row.tested_on) == (trained_on, tested_on):
                return row
        raise KeyError(f"{trained_on} on {tested_on}")

    def as_json(self) -> dict[str, Any]:
        """Result as JSON values: null for a class that a test set does not show, and for the spread of one seed."""
        return {
            **self.facts,
            "classes": list(self.classes),
            "rows": [
                {
                    "trained_on": row.trained_on,
                    "tested_on": row.tested_on,
                    _MEAN: float(np.mean(row.mean_iou)),
                    "spread": _or_none(row.spread),
                    "by_seed": row.mean_iou,
                    "IoU": dict(zip(self.classes, map(_or_none, row.class_means().tolist()), strict=True)),
                }
                for row in self.rows
            ],
        }

    def table(self) -> list[list[str]]:
        """Rows of text: a head, then the means and spread of each row, and its mean IoU of each class."""
        head = ["trained on", "tested on", _MEAN, "spread", *self.classes]
        return [head] + [
            [
                row.trained_on,
                row.tested_on,
                _text(float(np.mean(row.mean_iou))),
                _text(row.spread),
                *map(_text, row.class_means().tolist()),
            ]
            for row in self.rows
        ]

    def lines(self) -> list[str]:
        """The table in aligned columns."""
        rows = self.table()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [
            "  ".join(
                f"{cell:<{width}}" if place < 2 else f"{cell:>{width}}"
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]


def evaluate_utility(
    frames: UtilityFrames,
    *,
    steps: int = 300,
    seeds: int = 3,
    train_on: Collection[str] = TRAINING_SETS,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda sentence: None,
    stop: Callable[[], bool] = lambda: False,
) -> UtilityResult:
    """Train a segmenter on each set of frames from each of the seeds 0, 1, ..., and test it on the real test frames.

    One trained on real frames is also tested on source and translated frames: whether it recognises their own labels.
    `train_on` leaves out sets of frames. `progress` gets training steps, `notify` a sentence after each training; where
    `stop` returns True, the result holds what is done. Raises ValueError for numbers below 1 and unknown sets.
    """
    if steps < 1 or seeds < 1:
        raise ValueError(f"utility: {steps} steps and {seeds} seeds; allowed: 1 and more of both")
    if unknown := [name for name in train_on if name not in TRAINING_SETS]:
        raise ValueError(f"utility: no set of frames {unknown[0]!r}; {did_you_mean(unknown[0], TRAINING_SETS)}")
    device = torch.device(device)
    result = UtilityResult(tuple(frames.classes))
    sets = _training_sets(frames, train_on)
    trainings = [(name, seed) for name in sets for seed in range(seeds)]
    for number, (trained_on, seed) in enumerate(trainings):
        count = _counter(progress, number * steps, len(trainings) * steps)
        segmenter = fit_segmenter(
            sets[trained_on], len(frames.classes), steps=steps, seed=seed, device=device, progress=count, stop=stop
        )
        if segmenter is None:
            break
        for tested_on, test_set in _test_sets(frames, trained_on).items():
            row = _row(result, trained_on, tested_on)
            row.add(confusion_of(segmenter, test_set, device=device))
            notify(f"trained on {trained_on}, tested on {tested_on}, seed {seed}: mIoU {row.mean_iou[-1]:.3f}")
    result.facts = {"steps": steps, "seeds": seeds, "left_out": list(frames.left_out)}
    return result


def write_utility(result: UtilityResult, file: Path) -> None:
    """Write a result as JSON, atomically."""
    with write_atomically(file) as temporary:
        temporary.write_text(json.dumps(result.as_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _training_sets(frames: UtilityFrames, train_on: Collection[str]) -> dict[str, LabelledFrames]:
    """Sets to train on by name: the source, each translation, the source with it, and real frames."""
    sets = {SOURCE: frames.source} if SOURCE in train_on else {}
    for name, translated in frames.translated.items():
        sets |= {name: translated} if TRANSLATED in train_on else {}
        sets |= {f"{SOURCE} + {name}": frames.source + translated} if BOTH in train_on else {}
    return sets | ({REAL: frames.real_train} if frames.real_train is not None and REAL in train_on else {})


def _test_sets(frames: UtilityFrames, trained_on: str) -> dict[str, LabelledFrames]:
    own_labels = {SOURCE: frames.source, **frames.translated} if trained_on == REAL else {}
    return {REAL: frames.real_test, **own_labels}


def _row(result: UtilityResult, trained_on: str, tested_on: str) -> UtilityRow:
    try:
        return result.row(trained_on, tested_on)
    except KeyError:
        result.rows.append(UtilityRow(trained_on, tested_on))
        return result.rows[-1]


def _counter(progress: Progress | None, done: int, total: int) -> Callable[[], None]:
    """A callback without arguments that counts one step more each time, from `done`."""
    steps: Iterator[int] = iter(range(done + 1, total + 1))
    return lambda: progress(next(steps), total) if progress else None


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
