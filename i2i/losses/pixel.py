"""Pixel losses: distances between images pixel by pixel, as means in float32 or better."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.losses.precision import at_least_float32
from i2i.recipe.ranges import Factor
from i2i.registry import pixel_losses


class PixelLoss(ABC):
    """Mean distance between two tensors of one shape."""

    def __call__(self, fake: Tensor, target: Tensor) -> Tensor:
        return self.distance(at_least_float32(fake), at_least_float32(target))

    @abstractmethod
    def distance(self, fake: Tensor, target: Tensor) -> Tensor:
        """The mean distance as one number, 0 or more."""


@pixel_losses.register("l1")
class MeanAbsolute(PixelLoss):
    """Mean absolute error |fake - target|, with which ESRGAN and Real-ESRGAN are trained."""

    def distance(self, fake: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(fake, target)


@pixel_losses.register("l2")
class MeanSquared(PixelLoss):
    """Mean squared error (fake - target) ** 2: the highest PSNR and the smoothest images."""

    def distance(self, fake: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(fake, target)


@pixel_losses.register("charbonnier")
class Charbonnier(PixelLoss):
    """LapSRN (Lai 2017): Charbonnier loss sqrt((fake - target) ** 2 + epsilon ** 2), an L1 that is smooth at 0.

    Section 3.3, https://arxiv.org/abs/1704.03915
    """

    def __init__(self, *, epsilon: Factor = 1e-3) -> None:
        if epsilon <= 0:
            raise ValueError(f"epsilon = {epsilon} is refused; allowed: above 0")
        self.epsilon = epsilon

    def distance(self, fake: Tensor, target: Tensor) -> Tensor:
        return torch.sqrt((fake - target).square() + self.epsilon**2).mean()
