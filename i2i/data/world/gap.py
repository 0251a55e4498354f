"""The layout gap of a world: what real scenes show more or less of than simulated ones, whatever their style."""

import math
from typing import NamedTuple

from i2i.registry import did_you_mean


class Gap(NamedTuple):
    """How the layout of a scene differs from that of a simulated one; None where it does not."""

    trees: float | None = None  # probability that a slot for a tree, one every 4 m of both pavements, has one
    horizon: float | None = None  # shift down, as a share of the image's height
    cars: float | None = None  # probability that each of the four slots for a car has one

    def __str__(self) -> str:
        return ",".join(f"{name}={value:g}" for name, value in self._asdict().items() if value is not None)


NO_GAP = Gap()
_ALLOWED = {"trees": (0.0, 1.0), "horizon": (-0.25, 0.25), "cars": (0.0, 1.0)}


def parse_gap(text: str) -> Gap:
    """The gap that a text such as `trees=0.6,horizon=0.1,cars=0` names, any of the three.

    Raises ValueError for other names, a name that is there twice, and what is not a number within its range.
    """
    gap = Gap()
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        if name not in Gap._fields:
            raise ValueError(f"gap {part.strip()!r}: {did_you_mean(name, Gap._fields)}, as in trees=0.6,cars=0")
        if getattr(gap, name) is not None:
            raise ValueError(f"gap {text!r}: {name} is there twice")
        gap = gap._replace(**{name: _number(name, number)})
    return gap


def _number(name: str, text: str) -> float:
    low, high = _ALLOWED[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(f"gap: {name}={text} is not allowed; allowed: a number from {low:g} to {high:g}")
    return value
