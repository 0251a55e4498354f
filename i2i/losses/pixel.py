"""Distances between images, pixel by pixel: what an upscaler is trained on for fidelity. All are means over everything,
in float32 or better.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.losses.adversarial import at_least_float32
from i2i.registry import pixel_losses


class PixelLoss(ABC):
    """A distance between fakes and their targets, two tensors of one shape."""

    def __call__(self, fake: Tensor, target: Tensor) -> Tensor:
        return self.distance(at_least_float32(fake), at_least_float32(target))

    @abstractmethod
    def distance(self, fake: Tensor, target: Tensor) -> Tensor:
        """One number, 0 or more."""


@pixel_losses.register("l1")
class MeanAbsolute(PixelLoss):
    """Mean of |fake - target|: what ESRGAN and Real-ESRGAN are trained with."""

    def distance(self, fake: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(fake, target)


@pixel_losses.register("l2")
class MeanSquared(PixelLoss):
    """Mean of (fake - target) ** 2: the best PSNR there is, and the smoothest images."""

    def distance(self, fake: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(fake, target)


@pixel_losses.register("charbonnier")
class Charbonnier(PixelLoss):
    """Mean of sqrt((fake - target) ** 2 + epsilon ** 2): L1 with a round bottom (Lai, Huang, Ahuja, Yang 2017,
    section 3.3, https://arxiv.org/abs/1704.03915).
    """

    def __init__(self, *, epsilon: float = 1e-3) -> None:
        if epsilon <= 0:
            raise ValueError(f"epsilon = {epsilon} is refused; allowed: above 0")
        self.epsilon = epsilon

    def distance(self, fake: Tensor, target: Tensor) -> Tensor:
        return torch.sqrt((fake - target).square() + self.epsilon**2).mean()
