"""The logs of a run as curves."""

import csv
import math
from pathlib import Path

from i2i.report.parts import Curve
from i2i.training.log import DIVERSITY, LOSSES, METRICS, SCORES

_MOST = 2000  # points of a curve; of more, each is the mean of several
SCORE, SPEED = "score, lower is better", "images per second"
HELD_OUT, COURSE = "held out", "training"  # groups besides the losses, which are in one for each player


def curves_of(run: Path) -> list[Curve]:
    """Every column of every log; a row that is cut off, as the last one of a run that is still going may be, and
    whatever else is not written as a number, is left out. Raises ValueError where nothing was logged yet.
    """
    curves = [curve for name in (SCORES, METRICS, DIVERSITY, LOSSES) for curve in _read(run / name)]
    if not curves:
        raise ValueError(f"{run}: nothing logged yet; the first row of {LOSSES} comes after train.log_every steps")
    groups = list(dict.fromkeys(curve.group for curve in curves if curve.group != COURSE))
    return sorted(curves, key=lambda curve: [*groups, COURSE].index(curve.group))


def _read(file: Path) -> list[Curve]:
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8", errors="replace") as stream:
        head, *rows = [*csv.reader(stream)] or [[]]
    whole = [row for row in rows if len(row) == len(head) and row[0].isdecimal()]
    if not whole or head[0] != "step":
        return []
    return [_curve(file.name, name, [(int(row[0]), row[at]) for row in whole]) for at, name in enumerate(head) if at]


def _curve(file: str, column: str, cells: list[tuple[int, str]]) -> Curve:
    """A column; an empty cell is a step that had no such term."""
    points = [(step, value) for step, cell in cells if cell and (value := _number(cell)) is not None]
    broken = [step for step, value in points if not math.isfinite(value)]
    steps, values = _thinned(points)
    group, name = _titles(file, column)
    return Curve(group, name.replace(".", ": ").replace("_", " "), steps, values, broken[:_MOST])


def _titles(file: str, column: str) -> tuple[str, str]:
    """The group that a column is shown in, and its name there."""
    if file != LOSSES:
        return HELD_OUT, SCORE if file == SCORES else column
    player, _, term = column.rpartition(".")
    if not player:
        return COURSE, SPEED if column == "images_per_second" else column
    return (COURSE, f"gradient norm of the {player}") if term == "gradient_norm" else (player, term)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _thinned(points: list[tuple[int, float]]) -> tuple[list[int], list[float | None]]:
    """At most so many points: of neighbours their last step and the mean of what is finite."""
    several = math.ceil(len(points) / _MOST) or 1
    groups = [points[at : at + several] for at in range(0, len(points), several)]
    means = [[value for _, value in group if math.isfinite(value)] for group in groups]
    values = [float(f"{sum(finite) / len(finite):.6g}") if finite else None for finite in means]
    return [group[-1][0] for group in groups], values
