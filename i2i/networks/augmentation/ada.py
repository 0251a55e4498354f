"""Adaptive discriminator augmentation (ADA), for data sets so small that a discriminator would overfit.

Karras, Aittala, Hellsten, Laine, Lehtinen, Aila 2020: Training Generative Adversarial Networks with Limited Data,
section 3, https://arxiv.org/abs/2006.06676.
"""

from typing import Protocol

import torch
from torch import Tensor

from i2i.networks.augmentation.ada_transforms import augment
from i2i.networks.augmentation.base import Augmentation

_EVERY = 4  # steps between two adjustments
FULL_RANGE = 500_000  # images in which the probability gets from 0 to 1
_UNOBSERVED = 1000  # passes in training without a look at logits of real images: no method takes as many for a step


class Ranks(Protocol):
    """A training step, and sums over the ranks that take it."""

    step: int

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        """Sum of a tensor over all ranks: a collective, called by every rank."""


class AdaptiveAugmentation(Augmentation):
    """Non-leaking augmentations, whose probability follows the discriminator's overfitting: `adjust` raises it where
    the mean sign of the logits of real images is above `target`, and lowers it where that is below, by 1 in
    `full_range` images.
    """

    probability: Tensor  # p
    signs: Tensor  # of the logits since the last adjustment: sum over images, and number of images

    def __init__(
        self,
        *,
        target: float,
        full_range: int = FULL_RANGE,
        condition_channels: int = 0,
        value_range: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        super().__init__(condition_channels=condition_channels, value_range=value_range)
        if not 0 < target < 1:
            raise ValueError(f"augment_target = {target} is refused; allowed: between 0 and 1, both excluded")
        self.target, self.full_range = target, full_range
        self._unobserved = 0
        self.register_buffer("probability", torch.zeros(()))
        self.register_buffer("signs", torch.zeros(2))

    def change(self, images: Tensor, copies: int) -> Tensor:
        self._unobserved += self.training
        if self._unobserved > _UNOBSERVED:
            raise ValueError(
                "augment = ada: the method never gives it the logits of real images; in its training step, call "
                "i2i.methods.base.adapt_augmentation, or choose augment = diffaugment"
            )
        return augment(images, self.probability, condition_channels=self.condition_channels, copies=copies)

    @torch.no_grad()
    def observe(self, signs: Tensor) -> None:
        """Add the mean signs (N,) of the logits of N real images to the statistics of overfitting."""
        self._unobserved = 0
        self.signs += torch.stack([signs.sum(), signs.new_tensor(len(signs))]).to(self.signs)

    @torch.no_grad()
    def adjust(self, ranks: Ranks, images: int) -> None:
        """Adjust the probability after every fourth step, each of so many `images`; a collective over ranks there."""
        if (ranks.step + 1) % _EVERY == 0:
            statistics = torch.cat([self.signs, self.signs.new_tensor([images])])
            signs, observed, all_images = ranks.all_reduce_sum(statistics)
            overfitting = signs / observed.clamp(min=1)  # r_t
            self.probability += (overfitting - self.target).sign() * (all_images * _EVERY / self.full_range)
            self.probability.clamp_(0, 1)
            self.signs.zero_()


class AugmentationOfProbability(Augmentation):
    """Non-leaking augmentations, whose `probability` a method sets."""

    probability: Tensor  # p

    def __init__(self, *, value_range: tuple[float, float] = (-1.0, 1.0)) -> None:
        super().__init__(value_range=value_range)
        self.register_buffer("probability", torch.zeros(()))

    def change(self, images: Tensor, copies: int) -> Tensor:
        return augment(images, self.probability, copies=copies)
