"""What there is to show of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from i2i_runtime.images import Array

CYCLE = "cycle "  # before the names of measures of an input and of what comes back of it


class Measure(NamedTuple):
    name: str
    value: str
    note: str = ""


class Sheet(NamedTuple):
    """What a run made of its held-out images after so many steps, as a data URL."""

    step: int
    url: str


class Curve(NamedTuple):
    """One column of a log: steps and values, None where a value is no number, and the steps at which that is so."""

    group: str
    name: str
    steps: list[int]
    values: list[float | None]
    broken: list[int]


@dataclass(frozen=True)
class Case:
    """One image that was not trained on. `given` are the pictures that do not depend on the run (input, truth), `made`
    those that it made, by title, uint8 (H, W, C); `measures` what was measured on them.
    """

    name: str
    given: Mapping[str, Array]
    made: Mapping[str, Array]
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunPart:
    """What a page shows of one run."""

    name: str
    summary: str
    facts: Mapping[str, str]
    recipe: str
    curves: Sequence[Curve] = ()
    sheets: Sequence[Sheet] = ()
    cases: Sequence[Case] = ()
    samples: Array | None = None
    measures: Sequence[Measure] = ()
    extremes: Sequence[tuple[str, str, str]] = ()  # of a metric: its name, the worst and the best images
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
