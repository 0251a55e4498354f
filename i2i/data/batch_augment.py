"""Augmentation on the device: pipelines of named steps on the whole batch, before the training step.

A step is a class with keyword-only options whose instances are callables `step(images) -> images` on float32 (N, C, H,
W) in [0, 1]; it draws from torch's random numbers, anew for every image of the batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from i2i.data.augment import Steps, build_steps
from i2i.data.batch import Pair, PairAndReal, image_fields, labels_of
from i2i.devices import preserve_random_state
from i2i.networks.value_range import ValueRange
from i2i.registry import batch_augmentations


class BatchStep(Protocol):
    """One step of a pipeline. Batches with label maps need `with_labels`, too."""

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
        """A batch of the same type, whose seeds and numbers of classes stay as they are. Label maps share the draw of
        their images, by nearest neighbour.
        """
        if isinstance(batch, Pair):
            return Pair(*self._augment(*batch))
        if isinstance(batch, PairAndReal):
            return PairAndReal(*self._augment(batch.source, batch.target), *self._augment(batch.real))
        augmented: dict[str, Tensor] = {}
        for field in image_fields(type(batch)):
            images = getattr(batch, field)
            if labels := labels_of(type(batch), field):
                augmented[field], augmented[labels] = self._with_labels(images, getattr(batch, labels))
            else:
                augmented[field] = self._augment(images)[0]
        return batch._replace(**augmented)

    def check_labels(self) -> None:
        """Raise ValueError where a step can't say what becomes of label maps."""
        for step in self._steps:
            if not hasattr(step, "with_labels"):
                raise ValueError(
                    f"augment.batch: {type(step).__name__} has no `with_labels`, so that label maps would not stay "
                    'aligned with their images; use a step of `i2i list "batch augmentations"`, or augment.train'
                )

    def _with_labels(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Images and their label maps after the same draws."""
        images = self._range.to_unit(images)
        for step in self._steps:
            with _own_draws(images.device, int(torch.randint(2**62, ()))):
                images, labels = step.with_labels(images, labels)  # type: ignore[attr-defined]
            images = images.clamp(0, 1)
        return self._range.from_unit(images), labels

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
    with _own_draws(images.device, seed):
        return step(images).clamp(0, 1)


@contextmanager
def _own_draws(device: torch.device, seed: int) -> Iterator[None]:
    """A seed for every step: images of more channels draw more numbers, which must not change the steps after it."""
    with preserve_random_state(device):
        torch.manual_seed(seed)
        yield
