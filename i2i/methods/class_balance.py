"""Patches of real images drawn so that their classes have the shares of rendered ones: a discriminator that sees
nothing else does not take a different layout for a difference in style.

The aim is that of matched crops (Richter, Al Haija, Koltun 2021: Enhancing Photorealism Enhancement, section 3.4,
https://arxiv.org/abs/2105.04619), for a discriminator that judges patches of whole images.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.losses.adversarial import Logits
from i2i.methods.base import Update

_MOMENTUM = 0.99  # of the moving averages, for one step
_LEAST_SHARE = 1e-3  # added to the share of a class in b, which may have none of it
_MOST = 10.0  # times as often, or as rarely, as they are there, patches are drawn


class ClassBalance(nn.Module):
    """Shares of the classes in the label maps of a and of b, as moving averages, and draws of patches of b by them.

    Label maps are one-hot, (N, classes, H, W).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.shares: Tensor  # of each class, in a and in b
        self.register_buffer("shares", torch.full((2, classes), 1 / classes))

    def observe(self, a: Tensor, b: Tensor, update: Update) -> None:
        """Collective: move the shares towards those in label maps of a and b on all ranks."""
        counts = update.all_reduce_sum(torch.stack([each.sum((0, 2, 3)) for each in (a, b)])).to(self.shares)
        counted = counts.sum(1, keepdim=True)
        shares = torch.where(counted > 0, counts / counted.clamp(min=1), self.shares)
        self.shares = torch.lerp(shares, self.shares, _MOMENTUM)

    def weights(self, b: Tensor) -> Tensor:
        """The weight (N, 1, H, W) of each pixel of b: how much more of its class there is in a than in b."""
        of_a, of_b = self.shares
        ratios = (of_a / (of_b + _LEAST_SHARE)).clamp(1 / _MOST, _MOST)
        return torch.einsum("nchw,c->nhw", b.to(ratios), ratios)[:, None]

    def draw(self, logits: Logits, b: Tensor) -> Logits:
        """As many logits of b's patches as there are (P,), drawn with replacement by the patches' mean weights; of
        several scales for each.
        """
        if isinstance(logits, tuple):
            return tuple(self.draw(each, b) for each in logits)
        return draw(logits, F.adaptive_avg_pool2d(self.weights(b), logits.shape[-2:]))


def draw(values: Tensor, weights: Tensor) -> Any:
    """As many values as there are (P,), drawn with replacement: each as often as its share of the weights says, rounded
    up or down (systematic resampling). Draws from torch's random numbers on their device.
    """
    bounds = weights.flatten().cumsum(0)
    steps = torch.arange(len(bounds), device=bounds.device) + torch.rand((), device=bounds.device)
    drawn = torch.searchsorted(bounds, steps / len(bounds) * bounds[-1])
    return values.flatten()[drawn.clamp(max=len(bounds) - 1)]
