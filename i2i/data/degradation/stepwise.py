"""A degradation of single steps in the order of the recipe."""

import zlib
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from i2i.data.batch import HighResolution, Pair
from i2i.data.degradation.resize import crop_to_multiple, round_to_8bit
from i2i.data.degradation.steps import DegradationStep, Size
from i2i.recipe.components import StepsOf, build
from i2i.recipe.ranges import Scale
from i2i.registry import degradation_steps, degradations

Steps = Annotated[dict[str, dict[str, Any] | Literal[False]], StepsOf(degradation_steps)]


@degradations.register("steps")
class Stepwise:
    """Single effects one after another, each with its probability and ranges: `i2i list "degradation steps"`.

    A sample depends on its image and seed alone, the draws of a step on no other step. Where `scale` is above 1, one
    of the `steps` is `downscale`: those before it work at the size of the target. A step that is false is left out.
    """

    def __init__(self, *, scale: Scale = 4, steps: Steps) -> None:
        self._scale = scale
        self._steps: dict[str, DegradationStep] = {
            name: build(degradation_steps, {"name": name, **options})
            for name, options in steps.items()
            if options is not False
        }
        if not self._steps:
            raise ValueError(f"degradation.steps is empty; choose from: {', '.join(degradation_steps)}")
        if scale > 1 and "downscale" not in self._steps:
            raise ValueError(f"degradation.steps: none makes images smaller by scale {scale}; add downscale")

    @torch.no_grad()
    def __call__(self, batch: HighResolution, *, training: bool = True) -> Pair:
        """Images (N, 1 or 3, H, W) in [0, 1] -> pairs on the same device; sources are rounded to 8 bit.

        Equal seeds give equal results on one kind of device. Raises ValueError for images smaller than `scale`, or of
        other than 1 or 3 channels.
        """
        target = crop_to_multiple(batch.image, self._scale)
        if target.shape[1] not in (1, 3):
            raise ValueError(f"steps: {target.shape[1]} channels are refused; choose from: 1 (grey) and 3 (RGB)")
        pairs = zip(target, batch.seed.tolist(), strict=True)
        return Pair(torch.stack([round_to_8bit(self._degrade(image, seed)) for image, seed in pairs]), target)

    def _degrade(self, image: Tensor, seed: int) -> Tensor:
        low = Size(image.shape[-2] // self._scale, image.shape[-1] // self._scale)
        for name, step in self._steps.items():
            # A stream of its own: leaving out a step changes no other.
            rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
            if rng.random() < step.probability:
                image = step(image, rng, low)
        return image
