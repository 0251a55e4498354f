"""Held-out images of several runs as one list: what two runs made of the same image is compared on the same card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from statistics import fmean
from typing import NamedTuple, Self

import numpy as np

from i2i.metrics.direction import direction_of
from i2i.report.parts import CYCLE, Case
from i2i.report.pictures import data_url, fit
from i2i_runtime.images import Array


class Picture(NamedTuple):
    title: str
    url: str
    width: int
    height: int

    @classmethod
    def of(cls, pixels: Array, title: str = "", url: str = "") -> Self:
        return cls(title, url or data_url(pixels), pixels.shape[1], pixels.shape[0])


@dataclass
class Compared:
    """One image: its pictures by title, which of them are shown first, and (run, measure, value) of each measure."""

    name: str
    pixels: dict[str, Array]
    shown: tuple[str, str]
    measures: list[tuple[str, str, float]]
    pictures: list[Picture] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)

    def by_run(self) -> dict[str, list[tuple[str, float]]]:
        """The measures of each run, by its name."""
        runs = dict.fromkeys(run for run, _, _ in self.measures)
        return {run: [(name, value) for other, name, value in self.measures if other == run] for run in runs}

    def values(self) -> dict[str, float]:
        """Of each measure the mean over the runs, to sort by; what is not finite has no place in an order."""
        names = dict.fromkeys(name for _, name, _ in self.measures)
        means = {name: fmean(value for _, other, value in self.measures if other == name) for name in names}
        return {name: mean for name, mean in means.items() if isfinite(mean)}


def compare(cases: Mapping[str, Sequence[Case]]) -> list[Compared]:
    """The cases of all runs, by the name of the run. Cases of one name and the same given pictures become one."""
    merged: list[tuple[Case, Compared]] = []
    for run, own in cases.items():
        for case in own:
            made = {f"{run}: {title}" if len(cases) > 1 else title: pixels for title, pixels in case.made.items()}
            measures = [(run, name, value) for name, value in case.measures.items()]
            twin = next((there for other, there in merged if _same(other, case)), None)
            if twin and made.keys() <= twin.pixels.keys():
                continue  # the same image again, where one domain is smaller than the other
            if twin:
                if twin.shown[0] in case.given:
                    twin.shown = (twin.shown[1], next(iter(made)))
                twin.pixels |= made
                twin.measures += measures
            else:
                first = (next(iter(case.given)), next(iter(made)))
                pixels = {first[0]: case.given[first[0]], **made, **case.given}
                merged.append((case, Compared(case.name, pixels, first, measures)))
    compared = [compared for _, compared in merged]
    _mark(compared)
    return compared


def worst_first(cases: Sequence[Compared]) -> dict[str, int]:
    """The measures of the cases; with 1 where ascending figures get better, and -1 where they get worse."""
    names = dict.fromkeys(name for case in cases for name in case.values())
    return {name: -1 if direction_of(name.removeprefix(CYCLE)) == "lower" else 1 for name in names}


def _mark(cases: Sequence[Compared]) -> None:
    """Say which images are the best and the worst by each measure."""
    for name, sign in worst_first(cases).items():
        measured = [case for case in cases if name in case.values()]
        ranked = sorted(measured, key=lambda case: sign * case.values()[name])
        if len(ranked) > 2:
            ranked[0].marks.append(f"worst {name}")
            ranked[-1].marks.append(f"best {name}")


def encode(cases: Sequence[Compared], room: int) -> tuple[list[Compared], int]:
    """The cases with their pictures encoded, within `room` characters; and the longest side in pixels to which they
    were made smaller for that, 0 where none was.
    """
    urls, longest = fit([partial(np.asarray, pixels) for case in cases for pixels in case.pixels.values()], room)
    encoded = iter(urls)
    for case in cases:
        case.pictures = [Picture.of(pixels, title, next(encoded)) for title, pixels in case.pixels.items()]
    return list(cases), longest


def _same(one: Case, other: Case) -> bool:
    return (
        one.name == other.name
        and one.given.keys() == other.given.keys()
        and all(np.array_equal(pixels, other.given[title]) for title, pixels in one.given.items())
    )
