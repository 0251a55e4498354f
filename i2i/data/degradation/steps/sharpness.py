"""Blur and over-sharpening with its halos."""

import numpy as np
import torch
from torch import Tensor

from i2i.data.degradation.blur import blur_separable
from i2i.data.degradation.steps.base import DegradationStep, Range, Size, check_range
from i2i.recipe.ranges import Probability
from i2i.registry import degradation_steps

_WIDEST = 20.0  # deviation of a window in pixels


@degradation_steps.register("blur")
class Blur(DegradationStep):
    """Gaussian blur; `sigma` is a range in pixels."""

    def __init__(self, *, sigma: Range = (0.2, 2.0), probability: Probability = 1.0) -> None:
        check_range("blur", "sigma", sigma, 0.01, _WIDEST)
        self.sigma, self.probability = sigma, probability

    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        return gaussian_blur(image, rng.uniform(*self.sigma))


@degradation_steps.register("oversharpen")
class Oversharpen(DegradationStep):
    """Unsharp masking that is too strong, clipped: edges get halos.

    `sigma` is the width of the halos in pixels, `amount` how much of the difference to the blurred image is added.
    """

    def __init__(
        self, *, sigma: Range = (0.5, 3.0), amount: Range = (0.3, 2.0), probability: Probability = 1.0
    ) -> None:
        check_range("oversharpen", "sigma", sigma, 0.01, _WIDEST)
        check_range("oversharpen", "amount", amount, 0, 100)
        self.sigma, self.amount, self.probability = sigma, amount, probability

    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        detail = image - gaussian_blur(image, rng.uniform(*self.sigma))
        return torch.add(image, detail, alpha=rng.uniform(*self.amount)).clamp_(0, 1)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """An image (C, H, W) averaged by a Gaussian window of this deviation in pixels; borders are mirrored."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    return blur_separable(image[None], taps / taps.sum())[0]
