"""Which files of a data set are measured on, and what images are called that are made of them."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from i2i import registry
from i2i.data.folders import PairedFiles, SingleFiles, UnpairedFiles
from i2i.data.sources import Files
from i2i.evaluate.measures import evenly
from i2i.methods.translation import Translation
from i2i.recipe import Recipe
from i2i.recipe.components import build


def select(files: Files, *, given: bool, whole: bool, most: int) -> tuple[Files, str]:
    """The files to measure on as those for testing, `most` of a kind, and what they are in words.

    Held-out ones; all where the data are `given` and not split, or the `whole` is what was to be learned.
    """
    split = bool(files.test if not isinstance(files, UnpairedFiles) else all(files.test))
    split = split and not (given and files.held_out_from_train)
    kind = "" if whole or (given and not split) else "held-out " if split else "training "

    def chosen(train: tuple[Any, ...], test: tuple[Any, ...]) -> tuple[Any, ...]:
        found = test if kind == "held-out " else train if kind == "training " else (*train, *test)
        return tuple(evenly(found, most))

    if isinstance(files, UnpairedFiles):
        a, b = (chosen(*domain) for domain in zip(files.train, files.test, strict=True))
        return replace(files, train=((), ()), test=(a, b)), f"{len(a)} and {len(b)} {kind}images"
    test = chosen(files.train, files.test)
    if isinstance(files, PairedFiles):
        return replace(files, train=(), test=test), f"{len(test)} {kind}pairs"
    return replace(files, train=(), test=test), f"{len(test)} {kind}images"


def trained_on(files: Files, most: int) -> Files:
    """The files for training as those to measure on, `most` of a kind."""
    if isinstance(files, UnpairedFiles):
        a, b = (tuple(evenly(domain, most)) for domain in files.train)
        return replace(files, train=((), ()), test=(a, b))
    if isinstance(files, PairedFiles):
        return replace(files, train=(), test=tuple(evenly(files.train, most)))
    return replace(files, train=(), test=tuple(evenly(files.train, most)))


def find_direction(recipe: Recipe, product: str) -> tuple[int, int]:
    """Index of the field of a sample that a product takes, and of the one that its images are to look like, as the
    method of the recipe says.
    """
    with torch.device("meta"):  # a method without weights: they have no say in it
        method: Translation = build(registry.methods, recipe.method)
    source, target = method.directions()[product]
    return method.batch._fields.index(source), method.batch._fields.index(target)


def names_of(files: Files) -> list[list[Path]]:
    """For each field of a sample, what its images are to be called: as in their folder, and .png."""
    if isinstance(files, UnpairedFiles):
        return [_short(domain) for domain in files.test]
    return [_short(files.test if isinstance(files, SingleFiles) else [a for a, _ in files.test])] * 2


def _short(paths: Sequence[Path]) -> list[Path]:
    root = os.path.commonpath([path.parent for path in paths]) if paths else ""
    inner = [path.relative_to(root) for path in paths]
    taken = Counter(name.with_suffix("") for name in inner)
    twice = {name for name, count in taken.items() if count > 1}
    return [
        name.with_name(f"{name.name}.png") if name.with_suffix("") in twice else name.with_suffix(".png")
        for name in inner
    ]
