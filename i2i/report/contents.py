"""Contents of a report page, as plain data: one `RunContents` for each run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from i2i_runtime.images import Array

CYCLE = "cycle "  # prefix of the measures of an input and its reconstruction


class ReportMetric(NamedTuple):
    """A metric with its value as text, and a note."""

    name: str
    value: str
    note: str = ""


class SampleSheet(NamedTuple):
    """Sample sheet of a run at a training step, as a data URL."""

    step: int
    url: str


class Curve(NamedTuple):
    """One column of a log: a value for each step, None where it is not finite, and the steps where that is so."""

    group: str
    name: str
    steps: list[int]
    values: list[float | None]
    broken: list[int]


@dataclass(frozen=True)
class ImageResult:
    """A held-out image with its pictures by title, uint8 (H, W, C), and measures.

    `given` pictures do not depend on the run (input, truth), `generated` ones do.
    """

    name: str
    given: Mapping[str, Array]
    generated: Mapping[str, Array]
    measures: Mapping[str, float] = field(default_factory=dict)


class RunImages(NamedTuple):
    """Images that a run generates for a page: results of held-out images, or a sheet of samples from noise; and notes
    on what is missing.
    """

    results: Sequence[ImageResult] = ()
    samples: Array | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RunContents:
    """Everything that a page shows of one run; `extremes` are (metric, worst images, best images), `utility` is a table
    with a head.
    """

    name: str
    summary: str
    facts: Mapping[str, str]
    recipe: str
    curves: Sequence[Curve] = ()
    sheets: Sequence[SampleSheet] = ()
    results: Sequence[ImageResult] = ()
    samples: Array | None = None
    metrics: Sequence[ReportMetric] = ()
    extremes: Sequence[tuple[str, str, str]] = ()
    utility: Sequence[Sequence[str]] = ()
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
