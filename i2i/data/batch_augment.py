"""Augmentation on the device: pipelines of named steps on the whole batch, before the training step.

A step is a class with keyword-only options whose instances are callables `step(images) -> images` on float32 (N, C, H,
W) in [0, 1]; it draws from torch's random numbers, anew for every image of the batch.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

from i2i.data.augment import Steps, build_steps
from i2i.data.batch import Pair, is_image
from i2i.devices import preserve_random_state
from i2i.networks.value_range import ValueRange
from i2i.registry import batch_augmentations


class BatchStep(Protocol):
    """One step of a pipeline."""

    def __call__(self, images: Tensor) -> Tensor: ...


class BatchPipeline:
    """Steps with options that a recipe has checked: {"RandomAffine": {"degrees": 10}, "RandomErasing": {}}.

    The images of a `Pair` share every draw; those of `Unpaired` do not. A batch is in `value_range` before and after,
    and every step's result is clamped. Raises ValueError for an unknown step and a refused option; when called, for
    images that a step can't take.
    """

    def __init__(self, steps: Steps, value_range: tuple[float, float]) -> None:
        self._steps: list[BatchStep] = build_steps(batch_augmentations, steps)
        self._range = ValueRange(*value_range)

    def __call__(self, batch: Any) -> Any:
        """A batch of the same type, whose seeds and labels stay as they are."""
        if isinstance(batch, Pair):
            return Pair(*self._augment(*batch))
        return type(batch)(*(self._augment(field)[0] if is_image(field) else field for field in batch))

    def _augment(self, *images: Tensor) -> list[Tensor]:
        """The images, after the same draws for all of them."""
        sizes = [tuple(image.shape[-2:]) for image in images]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"augment.batch: source {sizes[0]} and target {sizes[1]} (height, width) differ in size, so that they "
                "can't share a draw; use augment.train, or one folder of photos with a degradation"
            )
        current = [self._range.to_unit(image) for image in images]
        for step in self._steps:
            seed = int(torch.randint(2**62, ()))
            current = [_apply(step, image, seed) for image in current]
        return [self._range.from_unit(image) for image in current]


def _apply(step: BatchStep, images: Tensor, seed: int) -> Tensor:
    # A seed for every step: images of more channels draw more numbers, which must not change the steps after it.
    with preserve_random_state(images.device):
        torch.manual_seed(seed)
        return step(images).clamp(0, 1)
