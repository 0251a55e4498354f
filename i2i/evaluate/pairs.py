"""Two folders of images, file by file: what was measured of each, and what could not be."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i_runtime import images
from i2i_runtime.files import printable

T = TypeVar("T")

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]  # is told (images done, images in all)
Stop = Callable[[], bool]  # is asked before each image


class Pair(NamedTuple):
    """A translated image, by its path in the folder and as a file, and the file that it is compared with."""

    name: Path
    image: Path
    partner: Path


class Score(NamedTuple):
    """One translated image, by its path in the folder, and its measures by name."""

    image: Path
    measures: dict[str, float]


@dataclass
class Report:
    """Image by image; those that cannot be read or segmented are in `failed`, with the reason. `unused` are partners of
    no translated image.
    """

    scores: list[Score] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    unused: int = 0

    def mean(self) -> dict[str, float]:
        """The mean over the images of each measure, without those where it is NaN; empty where nothing was measured."""
        names = self.scores[0].measures if self.scores else ()
        values = {name: np.array([score.measures[name] for score in self.scores]) for name in names}
        return {
            name: float(each[~np.isnan(each)].mean()) if not np.isnan(each).all() else np.nan
            for name, each in values.items()
        }


def find_pairs(translated: Path, others: Path, what: str) -> tuple[list[Pair], int]:
    """Images of `translated` and those of `others` of the same path but for the suffix, and how many are left over.

    In natural order. `what` the others are, for sentences. Raises ValueError for a folder that is missing or empty, for
    two others of the same name, and for images without a partner.
    """
    partners: dict[Path, Path] = {}
    for path in images.list_images(others):
        if path.with_suffix("") in partners:
            raise ValueError(f"{printable(others)}: two images are called {printable(path.with_suffix(''))}; keep one")
        partners[path.with_suffix("")] = others / path
    names = images.list_images(translated)
    if not names:
        raise ValueError(f"{printable(translated)}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    if alone := [printable(name) for name in names if name.with_suffix("") not in partners]:
        some = ", ".join(alone[:3]) + ", ..." * (len(alone) > 3)
        raise ValueError(f"{printable(others)}: no {what} for {len(alone)} of {len(names)} images: {some}")
    found = [Pair(name, translated / name, partners[name.with_suffix("")]) for name in names]
    return found, len(partners) - len({pair.partner for pair in found})


def each(items: Sequence[T], progress: Progress | None, stop: Stop | None) -> Iterator[T]:
    """The items, with `progress` told after each one and `stop` asked before."""
    for done, item in enumerate(items, start=1):
        if stop is not None and stop():
            return
        yield item
        if progress is not None:
            progress(done, len(items))


def attempt(report: Report, pair: Pair, function: Callable[..., T], *arguments: object) -> T | None:
    """What the function returns, or None and an entry in the report."""
    try:
        return function(*arguments)
    except Exception as error:  # a segmenter or extractor may raise anything, and must not take other images along
        words = " ".join(str(error).split())
        text = words if isinstance(error, ValueError) else f"{type(error).__name__}: {words}"
        is_named = printable(pair.image) in text or printable(pair.partner) in text
        report.failed.append((pair.name, text if is_named else f"{printable(pair.image)}: {text}"))
        return None


def read_both(pair: Pair) -> tuple[Pixels, Pixels]:
    """The translated image and its partner, as `read_image` reads them."""
    return read_image(pair.image), read_image(pair.partner)


def read_image(path: Path) -> Pixels:
    """uint8 (H, W, 3); 16 bits are rounded to 8. Raises ValueError for a file that cannot be read."""
    return images.from_float(images.to_float(images.with_channels(images.read(path), 3)), np.uint8)


def fitted(partner: Pixels, image: Pixels, pair: Pair, *, resize: bool) -> Pixels:
    """The label map (H, W) or source (H, W, 3) in the size of the image.

    Raises ValueError where it has another one, unless `resize`.
    """
    if partner.shape[:2] == image.shape[:2]:
        return partner
    if not resize:
        sizes = [f"{each.shape[1]}x{each.shape[0]}" for each in (partner, image)]
        raise ValueError(
            f"{printable(pair.partner)} is {sizes[0]}, but {printable(pair.image)} {sizes[1]}; "
            "allowed: equal sizes, or resize"
        )
    shrinks = image.shape[0] < partner.shape[0] or image.shape[1] < partner.shape[1]
    smooth = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    by = smooth if partner.ndim == 3 else cv2.INTER_NEAREST_EXACT
    return np.asarray(cv2.resize(partner, image.shape[1::-1], interpolation=by), np.uint8)
