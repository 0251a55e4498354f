"""Adaptive discriminator augmentation (ADA), for data sets so small that a discriminator would overfit.

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
    """Non-leaking augmentations of images (N, C, S, S) in [-1, 1], whose probability follows the discriminator's
    overfitting: `adjust` raises it where the mean sign of the logits of real images is above `target`, and lowers it
    where that is below.
    """

    probability: Tensor  # p
    signs: Tensor  # of the logits since the last adjustment: sum and count

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
    def observe(self, real_logits: Tensor) -> None:
        """Add the logits of real images to the statistics of overfitting."""
        count = real_logits.new_tensor(real_logits.numel())
        self.signs += torch.stack([real_logits.sign().sum(), count]).to(self.signs)

    @torch.no_grad()
    def adjust(self, update: Update, images: int) -> None:
        """Adjust the probability at every fourth step, each of so many `images`; a collective over ranks there."""
        if update.step % _EVERY == 0:
            statistics = torch.cat([self.signs, self.signs.new_tensor([images])])
            signs, logits, all_images = update.all_reduce_sum(statistics)
            overfitting = signs / logits.clamp(min=1)  # r_t
            self.probability += (overfitting - self.target).sign() * (all_images * _EVERY / _FULL_RANGE)
            self.probability.clamp_(0, 1)
            self.signs.zero_()
