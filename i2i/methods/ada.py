"""Adaptive discriminator augmentation: as much as it takes to keep a discriminator from learning few images by heart.

Karras, Aittala, Hellsten, Laine, Lehtinen, Aila 2020: Training Generative Adversarial Networks with Limited Data,
section 3, https://arxiv.org/abs/2006.06676.
"""

import torch
from torch import Tensor, nn

from i2i.data.ada_transforms import augment
from i2i.methods.base import Update

_EVERY = 4  # steps between two adjustments
_FULL_RANGE = 500_000  # images in which the probability gets from 0 to 1


class AdaptiveAugmentation(nn.Module):
    """Changes images (N, C, S, S) in [-1, 1] with a probability that `adjust` moves towards where the discriminator's
    logits of real images have a mean sign of `target`: below it there is less overfitting than is tolerated.
    """

    probability: Tensor  # p
    signs: Tensor  # of the logits since the last adjustment: their sum, and their number

    def __init__(self, *, target: float) -> None:
        super().__init__()
        if not 0 < target < 1:
            raise ValueError(f"method.augment_target = {target} is refused; allowed: between 0 and 1, both excluded")
        self.target = target
        self.register_buffer("probability", torch.zeros(()))
        self.register_buffer("signs", torch.zeros(2))

    def forward(self, images: Tensor) -> Tensor:
        return augment(images, self.probability)

    @torch.no_grad()
    def observe(self, logits: Tensor) -> None:
        """Takes note of the logits of real images."""
        self.signs += torch.stack([logits.sign().sum(), logits.new_tensor(logits.numel())]).to(self.signs)

    @torch.no_grad()
    def adjust(self, update: Update, images: int) -> None:
        """To be called at every step of so many `images`."""
        if update.step % _EVERY == 0:
            signs, logits, number = update.all_reduce_sum(torch.cat([self.signs, self.signs.new_tensor([images])]))
            overfitting = signs / logits.clamp(min=1)  # r_t
            self.probability += (overfitting - self.target).sign() * (number * _EVERY / _FULL_RANGE)
            self.probability.clamp_(0, 1)
            self.signs.zero_()
