"""What `i2i evaluate` measured of a run, as it lies in the run's folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from i2i.metrics.direction import direction_of
from i2i.report.parts import Measure

EVALUATION = "evaluation.json"
_SHOWN = 3  # images at each end


class Evaluation(NamedTuple):
    """Measures; of every metric of single images its name, the worst and the best images; and more sentences."""

    measures: list[Measure]
    extremes: list[tuple[str, str, str]]
    notes: list[str]


def read_evaluation(run: Path) -> Evaluation:
    """Empty where nothing was measured; with a sentence where the file is damaged."""
    file = run / EVALUATION
    if not file.exists():
        return Evaluation([], [], [])
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        measures = [_measure(name, each) for name, each in table["metrics"].items()]
        return Evaluation(measures, _extremes(table.get("images", [])), _notes(table))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Evaluation([], [], [f"{EVALUATION} cannot be read ({type(error).__name__}: {error})."])


def _notes(table: Mapping[str, Any]) -> list[str]:
    step = [f"Measured by i2i evaluate at step {table['step']}."] if table.get("step") is not None else []
    left_out = [f"Not measured: {sentence}" for sentence in table.get("left_out", [])]
    nearest = sorted(table.get("nearest", []), key=lambda each: each["distance"])[:_SHOWN]
    pairs = ", ".join(f"{each['name']} to {each['training']} ({shown(each['distance'])})" for each in nearest)
    return step + left_out + ([f"Nearest to an image that was trained on: {pairs}."] if pairs else [])


def shown(value: Any) -> str:
    """Four digits of a number; what is none as it is."""
    return f"{value:.4g}" if isinstance(value, int | float) else "" if value is None else str(value)


def _measure(name: str, table: Mapping[str, Any]) -> Measure:
    error = table.get("error")
    plus_minus = f" ± {error:.2g}" if isinstance(error, int | float) else ""
    return Measure(name, shown(table.get("value")) + plus_minus, str(table.get("note") or ""))


def _extremes(images: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    found = []
    for metric in dict.fromkeys(key for image in images for key in image if key != "name"):
        scored = [(float(image[metric]), str(image["name"])) for image in images if image.get(metric) is not None]
        ranked = sorted(scored, reverse=direction_of(metric) == "lower")  # the worst first
        if len(ranked) > 1:
            title = metric if direction_of(metric) else f"{metric} (lowest and highest)"
            found.append((title, _listed(ranked[:_SHOWN]), _listed(ranked[::-1][:_SHOWN])))
    return found


def _listed(ranked: Sequence[tuple[float, str]]) -> str:
    return ", ".join(f"{name} ({shown(value)})" for value, name in ranked)
