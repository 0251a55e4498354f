"""Held-out data of a run: the files that an evaluation measures on, read as samples."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from i2i import registry
from i2i.data.batch import HighResolution, Pair
from i2i.data.folders import PairedFiles, SingleFiles, UnpairedFiles
from i2i.data.sources import Files, SampleKind, is_degraded, open_samples
from i2i.evaluate.folder_metrics import evenly_spaced
from i2i.evaluate.pairs import Progress
from i2i.methods.translation import Translation
from i2i.recipe import Recipe
from i2i.recipe.components import build


@dataclass(frozen=True)
class HeldOutData:
    """Files to measure on, as the test files of `files`, and the kind of samples that they are read as.

    `source` and `target` are the indices of a sample's fields that a product takes, and is to produce.
    """

    kind: SampleKind
    recipe: Recipe
    files: Files
    source: int = 0
    target: int = 0

    def names(self, field: int) -> list[Path]:
        """File names for the images of a field: those in their folder, as .png."""
        if isinstance(self.files, UnpairedFiles):
            return _png_names(self.files.test[field])
        if isinstance(self.files, SingleFiles):
            return _png_names(self.files.test)
        return _png_names([first for first, _ in self.files.test])

    def read(self, failed: list[str], progress: Progress) -> Iterator[tuple[int, Any]]:
        """Read samples with their index, degraded by the recipe; an unreadable one adds a sentence to `failed`."""
        samples = open_samples(self.kind, self.recipe, self.files)
        table = self.recipe.degradation | {"scale": self.kind.scale}
        degradation: Any = build(registry.degradations, table) if is_degraded(self.recipe) else None
        count = samples.held_out_count
        for index in range(count):
            try:
                sample = samples.held_out(index)
                if isinstance(sample, HighResolution):
                    sample = _degrade(sample, degradation, self.kind.scale)
            except ValueError as error:
                failed += [str(error)] if str(error) not in failed else []
            else:
                yield index, sample
            progress(index + 1, count)


def _degrade(sample: HighResolution, degradation: Any, scale: int) -> Pair:
    height, width = (side - side % scale for side in sample.image.shape[1:])
    high = HighResolution(sample.image[None, :, :height, :width], sample.seed[None])
    return Pair(*(image[0] for image in degradation(high, training=False)))


def select_files(files: Files, *, is_other_data: bool, is_generation: bool, most: int) -> tuple[Files, str]:
    """Files to measure on, at most `most` of a kind, and a description of them.

    The held-out ones; all files for a generator of images from noise, and for other data than the run's that have no
    test folder. Training files where nothing is held out.
    """
    is_split = bool(all(files.test) if isinstance(files, UnpairedFiles) else files.test)
    is_split = is_split and not (is_other_data and files.held_out_from_train)
    kind = "" if is_generation or (is_other_data and not is_split) else "held-out " if is_split else "training "
    choose = {
        "": lambda train, test: (*train, *test),
        "held-out ": lambda train, test: test,
        "training ": lambda train, test: train,
    }[kind]
    chosen = _as_test_files(files, choose, most)
    if isinstance(chosen, UnpairedFiles):
        return chosen, f"{len(chosen.test[0])} and {len(chosen.test[1])} {kind}images"
    return chosen, f"{len(chosen.test)} {kind}{'pairs' if isinstance(files, PairedFiles) else 'images'}"


def training_files(files: Files, most: int) -> Files:
    """Training files, at most `most` of a kind, as test files, which are not augmented."""
    return _as_test_files(files, lambda train, test: train, most)


def _as_test_files(
    files: Files, choose: Callable[[tuple[Any, ...], tuple[Any, ...]], Sequence[Any]], most: int
) -> Files:
    """Files without training files, and with what `choose` takes of both as test files."""
    if isinstance(files, UnpairedFiles):
        a, b = (tuple(evenly_spaced(choose(*both), most)) for both in zip(files.train, files.test, strict=True))
        return replace(files, train=((), ()), test=(a, b))
    several: Any = files  # mypy knows no `replace` of a union
    return replace(several, train=(), test=tuple(evenly_spaced(choose(files.train, files.test), most)))


def find_direction(recipe: Recipe, product: str) -> tuple[int, int]:
    """Indices of a sample's fields that are source and target of a product, by the recipe's method."""
    with torch.device("meta"):  # a method without weights
        method: Translation = build(registry.methods, recipe.method)
    source, target = method.directions()[product]
    return method.batch._fields.index(source), method.batch._fields.index(target)


def _png_names(paths: Sequence[Path]) -> list[Path]:
    """Paths below their common folder, as .png; the suffix is kept where it alone makes a name unique."""
    root = os.path.commonpath([path.parent for path in paths]) if paths else ""
    names = [path.relative_to(root) for path in paths]
    counts = Counter(name.with_suffix("") for name in names)
    return [
        name.with_suffix(".png") if counts[name.with_suffix("")] == 1 else name.with_name(f"{name.name}.png")
        for name in names
    ]
