"""What an evaluation found: figures with their errors, image by image where there are such, and what is missing."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from i2i.metrics.direction import direction_of
from i2i.metrics.value import MetricValue
from i2i_runtime.files import write_atomically

FILE = "evaluation.json"  # in the folder of a run


class Neighbour(NamedTuple):
    """A made image, the training image nearest to it, and their distance in features."""

    name: str
    training: str
    distance: float


@dataclass
class Result:
    """`facts` say what was measured; `images` are figures by the name of the image, without its suffix. `left_out` are
    sentences about metrics that were not measured, `failed` about images that could not be.
    """

    facts: dict[str, str | int] = field(default_factory=dict)
    metrics: dict[str, MetricValue] = field(default_factory=dict)
    images: dict[str, dict[str, float]] = field(default_factory=dict)
    nearest: list[Neighbour] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add_image(self, name: Path, measures: Mapping[str, float]) -> None:
        self.images.setdefault(name.with_suffix("").as_posix(), {}).update(measures)

    def add_failed(self, sentences: list[str]) -> None:
        """Each once: several metrics may have met the same image."""
        self.failed += [each for each in sentences if each not in self.failed]

    def table(self) -> dict[str, Any]:
        """All of it as JSON has it, where an infinite figure is the text "inf", and one that is not known null."""
        return {
            **self.facts,
            "metrics": {
                name: {"value": _plain(each.value), "error": _plain(each.error), "note": each.note}
                for name, each in self.metrics.items()
            },
            "images": [
                {"name": name, **{key: _plain(value) for key, value in measures.items()}}
                for name, measures in self.images.items()
            ],
            "nearest": [each._asdict() for each in self.nearest],
            "left_out": self.left_out,
            "failed": self.failed,
        }

    def lines(self) -> list[str]:
        """The metrics in aligned columns, what is to be known about them, and what is missing."""
        rows = [
            [name, shown(each.value), "" if math.isnan(each.error) else f"± {_rounded(each.error)}", _which(name)]
            for name, each in self.metrics.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
        lines = [
            f"{name:<{widths[0]}}  {value:>{widths[1]}}  {error:<{widths[2]}}  {which}".rstrip()
            for name, value, error, which in rows
        ]
        lines += [f"{name}: {each.note}" for name, each in self.metrics.items() if each.note]
        lines += [f"left out: {sentence}" for sentence in self.left_out]
        lines += [f"{len(self.failed)} failed:"] * bool(self.failed) + [f"  {sentence}" for sentence in self.failed]
        return lines


def write_json(result: Result, file: Path) -> None:
    """The file whole or not at all."""
    with write_atomically(file) as temporary:
        temporary.write_text(json.dumps(result.table(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def shown(value: float) -> str:
    """A figure as a table has it."""
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3g}"


def _rounded(error: float) -> str:
    return f"{error:.2g}" if error < 100 else f"{error:.0f}"


def _which(name: str) -> str:
    which = direction_of(name)
    return f"{which} is better" if which else ""


def _plain(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)
