"""Curves of a run, from its logs."""

import csv
import math
from pathlib import Path

from i2i.report.contents import Curve
from i2i.training.log import DIVERSITY, LOSSES, METRICS, SCORES

_MOST_POINTS = 2000  # of a curve; longer ones are averaged over neighbours
SCORE, SPEED = "score, lower is better", "images per second"
HELD_OUT, TRAINING = "held out", "training"  # groups besides one for the losses of each player


def read_curves(run: Path) -> list[Curve]:
    """Read a curve from every column of every log; incomplete rows and cells without a number are skipped.

    Raises ValueError where nothing was logged yet.
    """
    curves = [curve for name in (SCORES, METRICS, DIVERSITY, LOSSES) for curve in _read_log(run / name)]
    if not curves:
        raise ValueError(f"{run}: nothing logged yet; the first row of {LOSSES} comes after train.log_every steps")
    groups = list(dict.fromkeys(curve.group for curve in curves if curve.group != TRAINING))
    return sorted(curves, key=lambda curve: [*groups, TRAINING].index(curve.group))


def _read_log(file: Path) -> list[Curve]:
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8", errors="replace") as stream:
        head, *rows = [*csv.reader(stream)] or [[]]
    complete = [row for row in rows if len(row) == len(head) and row[0].isdecimal()]
    if not complete or head[0] != "step":
        return []
    return [
        _curve(file.name, name, [(int(row[0]), row[column]) for row in complete])
        for column, name in enumerate(head)
        if column
    ]


def _curve(file: str, column: str, cells: list[tuple[int, str]]) -> Curve:
    """Curve of one column; an empty cell is a step without that term."""
    points = [(step, value) for step, cell in cells if cell and (value := _parse_number(cell)) is not None]
    broken = [step for step, value in points if not math.isfinite(value)]
    steps, values = _average_neighbours(points)
    group, name = _group_and_name(file, column)
    return Curve(group, name.replace(".", ": ").replace("_", " "), steps, values, broken[:_MOST_POINTS])


def _group_and_name(file: str, column: str) -> tuple[str, str]:
    if file != LOSSES:
        return HELD_OUT, SCORE if file == SCORES else column
    player, _, term = column.rpartition(".")
    if not player:
        return TRAINING, SPEED if column == "images_per_second" else column
    of_training = term in ("gradient_norm", "learning_rate")
    return (TRAINING, f"{term.replace('_', ' ')} of the {player}") if of_training else (player, term)


def _parse_number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _average_neighbours(points: list[tuple[int, float]]) -> tuple[list[int], list[float | None]]:
    """At most `_MOST_POINTS` points: the last step of each group of neighbours, and the mean of its finite values."""
    size = math.ceil(len(points) / _MOST_POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    finite = [[value for _, value in group if math.isfinite(value)] for group in groups]
    values = [float(f"{sum(each) / len(each):.6g}") if each else None for each in finite]
    return [group[-1][0] for group in groups], values
