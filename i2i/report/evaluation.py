"""Summary of the metrics that `i2i evaluate` wrote to a run's folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from i2i.evaluate.result import FILE
from i2i.metrics.direction import direction_of
from i2i.report.contents import ReportMetric

_LISTED = 3  # worst, best, and nearest images


class EvaluationSummary(NamedTuple):
    """Metrics, the worst and best images by each measure, and notes."""

    metrics: list[ReportMetric]
    extremes: list[tuple[str, str, str]]
    notes: list[str]


def read_evaluation(run: Path) -> EvaluationSummary:
    """Read a run's evaluation.json; empty where there is none, with a note for a damaged file."""
    file = run / FILE
    if not file.exists():
        return EvaluationSummary([], [], [])
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        metrics = [_metric(name, each) for name, each in table["metrics"].items()]
        return EvaluationSummary(metrics, _extremes(table.get("images", [])), _notes(table))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return EvaluationSummary([], [], [f"{FILE} cannot be read ({type(error).__name__}: {error})."])


def _notes(table: Mapping[str, Any]) -> list[str]:
    step = [f"Measured by i2i evaluate at step {table['step']}."] if table.get("step") is not None else []
    left_out = [f"Not measured: {sentence}" for sentence in table.get("left_out", [])]
    nearest = sorted(table.get("nearest", []), key=lambda each: each["distance"])[:_LISTED]
    pairs = ", ".join(f"{each['name']} to {each['training']} ({_text(each['distance'])})" for each in nearest)
    return step + left_out + ([f"Nearest to a training image: {pairs}."] if pairs else [])


def _metric(name: str, table: Mapping[str, Any]) -> ReportMetric:
    error = table.get("error")
    plus_minus = f" ± {error:.2g}" if isinstance(error, int | float) else ""
    return ReportMetric(name, _text(table.get("value")) + plus_minus, str(table.get("note") or ""))


def _extremes(images: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Names of the measures, each with its worst images and its best ones."""
    extremes = []
    for measure in dict.fromkeys(key for image in images for key in image if key != "name"):
        scored = [(float(image[measure]), str(image["name"])) for image in images if image.get(measure) is not None]
        ranked = sorted(scored, reverse=direction_of(measure) == "lower")  # the worst first
        if len(ranked) > 1:
            title = measure if direction_of(measure) else f"{measure} (lowest and highest)"
            extremes.append((title, _list(ranked[:_LISTED]), _list(ranked[::-1][:_LISTED])))
    return extremes


def _list(ranked: Sequence[tuple[float, str]]) -> str:
    return ", ".join(f"{name} ({_text(value)})" for value, name in ranked)


def _text(value: Any) -> str:
    """Four digits of a number; "inf" as it is, "" for null."""
    return f"{value:.4g}" if isinstance(value, int | float) else "" if value is None else str(value)
