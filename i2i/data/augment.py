"""Augmentation pipelines: named steps, in order, on images that share one random draw.

A step is a class with keyword-only options whose instances are callables `step(images, rng) -> images`. An image is an
array (height, width, channels), uint8 or float32 in [0, 1]. A map of class indices is int32, by which a step knows it:
it moves as the images do, without interpolation, and keeps its values. The papers' geometry is in `geometry`, the rest
is albumentations.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np

from i2i.data import albumentations_steps, geometry  # noqa: F401 (their steps register)
from i2i.data.geometry import Aligned
from i2i.recipe.components import build, complete
from i2i.registry import augmentations

Steps = Mapping[str, Mapping[str, Any] | Literal[False]]
Seed = int | tuple[int, ...] | np.random.Generator


class Step(Protocol):
    """One step of a pipeline: the same draw from `rng` for all images."""

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned: ...


class Pipeline:
    """Steps by name with their options, in order: {"resize": {"size": 286}, "crop": {"size": 256}, "flip": {}}.

    False instead of options leaves a step out. Raises ValueError for an unknown step or option and an ill-typed value;
    when called, for images that a step can't take.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = [_make(name, options) for name, options in steps.items() if options is not False]

    def __call__(self, images: Aligned, seed: Seed) -> Aligned:
        """All images through all steps with one draw; equal seeds give equal results."""
        rng = np.random.default_rng(seed)
        for step in self._steps:
            images = step(images, rng)
        return images


def _make(name: str, options: Mapping[str, Any]) -> Step:
    augmentations[name]  # an unknown step is refused before its options are looked at
    step: Step = build(augmentations, complete(augmentations, {"name": name, **options}, name))
    return step
