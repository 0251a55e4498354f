"""Augmentation on the device: named steps, in order, on the whole batch before the training step.

A step is a class with keyword-only options whose instances are callables `step(images) -> images` on float32 (batch,
channels, height, width) in [0, 1]; it draws from torch's random numbers, for every image of the batch its own.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

from i2i.data.augment import Steps
from i2i.data.batch import HighResolution, Pair
from i2i.devices import kept_random_numbers
from i2i.recipe.components import build, complete
from i2i.registry import batch_augmentations


class BatchStep(Protocol):
    """One step of a pipeline."""

    def __call__(self, images: Tensor) -> Tensor: ...


class BatchPipeline:
    """Steps by name with their options, in order: {"RandomAffine": {"degrees": 10}, "RandomErasing": {}}.

    The images of a `Pair` share every draw; those of `Unpaired` have their own. What a step makes is clamped to
    `value_range`, in which the batch is and stays. False instead of options leaves a step out. Raises ValueError for an
    unknown step or option and an ill-typed value; when called, for images that a step can't take.
    """

    def __init__(self, steps: Steps, value_range: tuple[float, float]) -> None:
        self._steps = [_make(name, options) for name, options in steps.items() if options is not False]
        self._range = value_range

    def __call__(self, batch: Any) -> Any:
        """A batch of the same type. `HighResolution` keeps its seeds."""
        if isinstance(batch, HighResolution):
            return batch._replace(image=self._augmented(batch.image)[0])
        if isinstance(batch, Pair):
            return Pair(*self._augmented(*batch))
        return type(batch)(*(self._augmented(image)[0] for image in batch))

    def _augmented(self, *images: Tensor) -> list[Tensor]:
        """All with the same draw."""
        sizes = [tuple(image.shape[-2:]) for image in images]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"augment.batch: source {sizes[0]} and target {sizes[1]} (height, width) differ in size, so that they "
                "can't share a draw; use augment.train, or one folder of photos with a degradation"
            )
        low, high = self._range
        current = [(image - low) / (high - low) for image in images]
        for step in self._steps:
            seed = int(torch.randint(2**62, ()))
            current = [_apply(step, image, seed) for image in current]
        return [image * (high - low) + low for image in current]


def _apply(step: BatchStep, images: Tensor, seed: int) -> Tensor:
    # From a seed of its own, so that how many numbers an image needs (more with more channels) changes nothing else.
    with kept_random_numbers(images.device):
        torch.manual_seed(seed)
        return step(images).clamp(0, 1)


def _make(name: str, options: Any) -> BatchStep:
    batch_augmentations[name]  # an unknown step is refused before its options are looked at
    step: BatchStep = build(batch_augmentations, complete(batch_augmentations, {"name": name, **options}, name))
    return step
