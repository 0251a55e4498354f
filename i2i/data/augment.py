"""Augmentation of samples: pipelines of named steps on images that share one random draw.

A step is a class with keyword-only options whose instances are callables `step(images, rng) -> images`. An image is an
array (height, width, channels), uint8 or float32 in [0, 1]. A label map is int32, by which a step knows it: it is
transformed as the images are, but never interpolated, and keeps its values. A class may have a `role`, by which
`--set` puts a step in its place (`i2i.recipe.pipelines`). The papers' steps are in `geometry`, the
rest is albumentations.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np

from i2i.data import albumentations_steps, geometry  # noqa: F401 (their steps register)
from i2i.data.geometry import Aligned
from i2i.recipe.components import build
from i2i.registry import Registry, augmentations

Steps = Mapping[str, Mapping[str, Any] | Literal[False]]  # options by the name of the step, in order


class Step(Protocol):
    """One step of a pipeline: one draw from `rng` for all images."""

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned: ...


class Pipeline:
    """Steps with options that a recipe has checked: {"resize": {"size": 286}, "crop": {"size": 256}, "flip": {}}.

    Raises ValueError for an unknown step and a refused option; when called, for images that a step can't take.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps: list[Step] = build_steps(augmentations, steps)

    def __call__(self, images: Aligned, seed: int | np.random.Generator) -> Aligned:
        """The images after all steps; equal seeds give equal results."""
        rng = np.random.default_rng(seed)
        for step in self._steps:
            images = step(images, rng)
        return images


def build_steps(kind: Registry, steps: Steps) -> list[Any]:
    """The steps of a pipeline, in order; False instead of options leaves a step out."""
    return [build(kind, {"name": name, **options}) for name, options in steps.items() if options is not False]
