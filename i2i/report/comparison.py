"""Comparison of the results of several runs: what they generate from the same image shares one card of the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from statistics import fmean
from typing import NamedTuple, Self

import numpy as np

from i2i.metrics.direction import direction_of
from i2i.report.contents import CYCLE, ImageResult
from i2i.report.pictures import encode_within, to_data_url
from i2i_runtime.images import Array


class EncodedPicture(NamedTuple):
    """A picture as a data URL, with its title and its original size in pixels."""

    title: str
    url: str
    width: int
    height: int

    @classmethod
    def of(cls, pixels: Array, title: str = "", url: str = "") -> Self:
        return cls(title, url or to_data_url(pixels), pixels.shape[1], pixels.shape[0])


@dataclass
class ImageCard:
    """A card of the page: one held-out image with its pictures by title, and measures as (run, measure, value).

    `shown` are the titles of the two pictures that are shown first.
    """

    name: str
    pixels: dict[str, Array]
    shown: tuple[str, str]
    measures: list[tuple[str, str, float]]
    pictures: list[EncodedPicture] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)

    def by_run(self) -> dict[str, list[tuple[str, float]]]:
        """Measures of each run, by its name."""
        runs = dict.fromkeys(run for run, _, _ in self.measures)
        return {run: [(name, value) for other, name, value in self.measures if other == run] for run in runs}

    def means(self) -> dict[str, float]:
        """Mean of each measure over the runs, for sorting; without those that are not finite."""
        names = dict.fromkeys(name for _, name, _ in self.measures)
        means = {name: fmean(value for _, other, value in self.measures if other == name) for name in names}
        return {name: mean for name, mean in means.items() if isfinite(mean)}


def compare(results: Mapping[str, Sequence[ImageResult]]) -> list[ImageCard]:
    """Cards for the results of all runs, by the run's name; results of one name and equal inputs share a card."""
    merged: list[tuple[ImageResult, ImageCard]] = []
    for run, own in results.items():
        for result in own:
            prefix = f"{run}: " if len(results) > 1 else ""
            generated = {prefix + title: pixels for title, pixels in result.generated.items()}
            measures = [(run, name, value) for name, value in result.measures.items()]
            card = next((card for other, card in merged if _same_input(other, result)), None)
            if card and generated.keys() <= card.pixels.keys():
                continue  # repeated by this run, whose other domain has more images
            if card:
                if card.shown[0] in result.given:
                    card.shown = (card.shown[1], next(iter(generated)))
                card.pixels |= generated
                card.measures += measures
            else:
                shown = (next(iter(result.given)), next(iter(generated)))
                pixels = {shown[0]: result.given[shown[0]], **generated, **result.given}
                merged.append((result, ImageCard(result.name, pixels, shown, measures)))
    cards = [card for _, card in merged]
    _mark_extremes(cards)
    return cards


def sort_signs(cards: Sequence[ImageCard]) -> dict[str, int]:
    """Sign for each measure by which ascending values go from worst to best."""
    names = dict.fromkeys(name for card in cards for name in card.means())
    return {name: -1 if direction_of(name.removeprefix(CYCLE)) == "lower" else 1 for name in names}


def _mark_extremes(cards: Sequence[ImageCard]) -> None:
    """Mark the worst and the best card by each measure."""
    for name, sign in sort_signs(cards).items():
        measured = [card for card in cards if name in card.means()]
        ranked = sorted(measured, key=lambda card: sign * card.means()[name])
        if len(ranked) > 2:
            ranked[0].marks.append(f"worst {name}")
            ranked[-1].marks.append(f"best {name}")


def encode_pictures(cards: Sequence[ImageCard], room: int) -> int:
    """Encode the pictures of the cards within `room` characters.

    Returns the longest side in pixels to which they were downscaled for that, 0 where none was.
    """
    urls, longest = encode_within(
        [partial(np.asarray, pixels) for card in cards for pixels in card.pixels.values()], room
    )
    encoded = iter(urls)
    for card in cards:
        card.pictures = [EncodedPicture.of(pixels, title, next(encoded)) for title, pixels in card.pixels.items()]
    return longest


def _same_input(one: ImageResult, other: ImageResult) -> bool:
    return (
        one.name == other.name
        and one.given.keys() == other.given.keys()
        and all(np.array_equal(pixels, other.given[title]) for title, pixels in one.given.items())
    )
