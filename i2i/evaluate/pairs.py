"""Image files of two folders, matched by name, and what is measured of each pair."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i.metrics.value import MetricValue
from i2i_runtime import images
from i2i_runtime.files import printable

T = TypeVar("T")

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]  # called with (items done, items in all)


class FilePair(NamedTuple):
    """An image file and its partner in another folder; `name` is the image's path in its folder."""

    name: Path
    image: Path
    partner: Path


class ImageMeasures(NamedTuple):
    """Measures of one image by name; `image` is its path in its folder."""

    image: Path
    measures: dict[str, float]


@dataclass
class PairReport:
    """Measures of every pair of images, and a sentence in `failed` for each that could not be measured."""

    scores: list[ImageMeasures] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def attempt(self, pair: FilePair, function: Callable[..., T], *arguments: object) -> T | None:
        """Result of the function; on any error None, and a sentence in `failed`."""
        try:
            return function(*arguments)
        except Exception as error:  # a segmenter or extractor may raise anything, which is no matter for other images
            words = " ".join(str(error).split())
            text = words if isinstance(error, ValueError) else f"{type(error).__name__}: {words}"
            is_named = printable(pair.image) in text or printable(pair.partner) in text
            self.failed.append(text if is_named else f"{printable(pair.image)}: {text}")
            return None

    def measure(self, pair: FilePair, function: Callable[..., dict[str, float]], *arguments: object) -> None:
        """Add the measures that the function returns, or a sentence to `failed`."""
        if (measures := self.attempt(pair, function, *arguments)) is not None:
            self.scores.append(ImageMeasures(pair.name, measures))

    def means(self) -> dict[str, MetricValue]:
        """Mean of each measure over the images, with its standard error. Raises ValueError for no images."""
        if not self.scores:
            raise ValueError(f"none of {len(self.failed)} images can be measured; {self.failed[0]}")
        names = self.scores[0].measures
        return {name: _mean(np.array([score.measures[name] for score in self.scores])) for name in names}


def _mean(values: NDArray[np.float64]) -> MetricValue:
    equal = int(np.isinf(values).sum())  # PSNR of equal images
    error = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 and not equal else float("nan")
    note = f"{equal} of {len(values)} images are equal to their truth" * bool(equal)
    return MetricValue(float(values.mean()), error, note)


def find_pairs(folder: Path, others: Path, what: str) -> list[FilePair]:
    """Pair images of `folder`, in natural order, with those of `others` of the same path up to the suffix.

    `what` names the others in messages. Raises ValueError for a missing or empty folder, images without a partner, and
    two others of one name.
    """
    partners = files_by_stem(others)
    names = images.list_images(folder)
    if not names:
        raise ValueError(f"{printable(folder)}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    if missing := [printable(name) for name in names if name.with_suffix("") not in partners]:
        listed = ", ".join(missing[:3]) + ", ..." * (len(missing) > 3)
        raise ValueError(f"{printable(others)}: no {what} for {len(missing)} of {len(names)} images: {listed}")
    return [FilePair(name, folder / name, partners[name.with_suffix("")]) for name in names]


def files_by_stem(folder: Path) -> dict[Path, Path]:
    """Image files of a folder by their path in it without suffix. Raises ValueError for two of one name."""
    files: dict[Path, Path] = {}
    for path in images.list_images(folder):
        stem = path.with_suffix("")
        if stem in files:
            raise ValueError(f"{printable(folder)}: two images are called {printable(stem)}; keep one")
        files[stem] = folder / path
    return files


def track(items: Sequence[T], progress: Progress | None) -> Iterator[T]:
    """Iterate over the items and call `progress` after each."""
    for done, item in enumerate(items, start=1):
        yield item
        if progress is not None:
            progress(done, len(items))


def read_pair(pair: FilePair) -> tuple[Pixels, Pixels]:
    """Read the image and its partner. Raises ValueError like `read_image`."""
    return read_image(pair.image), read_image(pair.partner)


def read_pairs(
    pairs: Sequence[FilePair], report: PairReport, *, resize: bool = False, progress: Progress | None = None
) -> Iterator[tuple[FilePair, Pixels, Pixels]]:
    """Read pairs of images of equal size; the report gets a sentence for each that cannot be read.

    Raises ValueError for a partner of another size unless `resize`.
    """
    for pair in track(pairs, progress):
        if (both := report.attempt(pair, read_pair, pair)) is not None:
            yield pair, both[0], match_size(both[1], both[0], pair, resize=resize)


def read_image(path: Path) -> Pixels:
    """Read an image file as uint8 (H, W, 3); 16 bits are rounded to 8. Raises ValueError for an unreadable file."""
    return images.from_float(images.to_float(images.with_channels(images.read(path), 3)), np.uint8)


def to_tensor(image: Pixels) -> Tensor:
    """Image, uint8 (H, W, 3), as float32 (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255


def match_size(partner: Pixels, image: Pixels, pair: FilePair, *, resize: bool) -> Pixels:
    """Partner, a label map (H, W) or an image (H, W, 3), in the size of `image`.

    Label maps are resized by nearest neighbour. Raises ValueError for another size unless `resize`.
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
    interpolation = smooth if partner.ndim == 3 else cv2.INTER_NEAREST_EXACT
    return np.asarray(cv2.resize(partner, image.shape[1::-1], interpolation=interpolation), np.uint8)
