"""Result of an evaluation: values of metrics, measures of single images, and what was left out."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from i2i.evaluate.pairs import PairReport
from i2i.metrics.direction import direction_of
from i2i.metrics.value import MetricValue
from i2i_runtime.files import write_atomically

FILE = "evaluation.json"  # in a run's folder


class NearestImage(NamedTuple):
    """A generated image, the nearest training image, and their distance in feature space."""

    name: str
    training: str
    distance: float


@dataclass
class EvaluationResult:
    """Result of an evaluation; `facts` say what was measured.

    `metrics` are by full name, `images` are measures by image name without suffix. `left_out` are sentences about
    metrics, `failed` about images that could not be measured.
    """

    facts: dict[str, str | int] = field(default_factory=dict)
    metrics: dict[str, MetricValue] = field(default_factory=dict)
    images: dict[str, dict[str, float]] = field(default_factory=dict)
    nearest: list[NearestImage] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add_report(self, report: PairReport) -> None:
        """Add the measures of single images, and those that failed."""
        for image, measures in report.scores:
            self.images.setdefault(image.with_suffix("").as_posix(), {}).update(measures)
        self.add_failed(report.failed)

    def add_failed(self, sentences: list[str]) -> None:
        """Add sentences about images once each, as several metrics may report the same."""
        self.failed += [sentence for sentence in sentences if sentence not in self.failed]

    def as_json(self) -> dict[str, Any]:
        """Result as JSON values; an infinite number is the text "inf", an unknown one null."""
        return {
            **self.facts,
            "metrics": {
                name: {"value": _json_number(each.value), "error": _json_number(each.error), "note": each.note}
                for name, each in self.metrics.items()
            },
            "images": [
                {"name": name, **{key: _json_number(value) for key, value in measures.items()}}
                for name, measures in self.images.items()
            ],
            "nearest": [each._asdict() for each in self.nearest],
            "left_out": self.left_out,
            "failed": self.failed,
        }

    def lines(self) -> list[str]:
        """Table of the metrics in aligned columns, then notes, metrics left out, and images that failed."""
        rows = [
            [
                name,
                _rounded(each.value),
                "" if math.isnan(each.error) else f"± {_rounded_error(each.error)}",
                _better(name),
            ]
            for name, each in self.metrics.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
        lines = [
            f"{name:<{widths[0]}}  {value:>{widths[1]}}  {error:<{widths[2]}}  {better}".rstrip()
            for name, value, error, better in rows
        ]
        lines += [f"{name}: {each.note}" for name, each in self.metrics.items() if each.note]
        lines += [f"left out: {sentence}" for sentence in self.left_out]
        lines += [f"{len(self.failed)} failed:"] * bool(self.failed) + [f"  {sentence}" for sentence in self.failed]
        return lines


def write_json(result: EvaluationResult, file: Path) -> None:
    """Write a result as JSON, atomically."""
    write_table(result.as_json(), file)


def write_table(table: Mapping[str, Any], file: Path) -> None:
    """Write the JSON values of a result, as `as_json` gives them, atomically."""
    with write_atomically(file) as temporary:
        temporary.write_text(json.dumps(table, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _rounded(value: float) -> str:
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3g}"


def _rounded_error(error: float) -> str:
    return f"{error:.2g}" if error < 100 else f"{error:.0f}"


def _better(name: str) -> str:
    direction = direction_of(name)
    return f"{direction} is better" if direction else ""


def _json_number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)
