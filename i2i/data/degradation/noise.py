"""Noise of Real-ESRGAN: Gaussian or Poisson, in colour or grey.

X. Wang et al., "Real-ESRGAN", 2021, section 3.2. Every image has noise from its own generator; the published code has
one grey Gaussian field for a batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # of R, G and B (BT.601)


class Noise(NamedTuple):
    """The parameters of noise."""

    gaussian: bool  # else Poisson
    strength: float  # standard deviation of Gaussian noise for images in [0, 1]; factor on Poisson noise
    grey: bool  # equal in all channels


def add_noise(image: Tensor, noise: Noise, generator: torch.Generator) -> Tensor:
    """One image (C, H, W) in [0, 1] with noise added, not clipped. `generator` is on the image's device."""
    if not noise.gaussian:
        return torch.add(image, _poisson_noise(_grey(image) if noise.grey else image, generator), alpha=noise.strength)
    channels = 1 if noise.grey else image.shape[0]
    field = torch.randn(channels, *image.shape[1:], generator=generator, device=image.device, dtype=image.dtype)
    return torch.add(image, field, alpha=noise.strength)


def _poisson_noise(image: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of variance value / levels, where `levels` is the power of two from the number of 8-bit values in use."""
    values = (image * 255).round_().clamp_(0, 255)
    used = torch.zeros(256, device=image.device).index_fill_(0, values.flatten().to(torch.int64), 1.0).sum()
    levels = torch.exp2(used.log2().ceil())
    mean = values / 255
    return torch.poisson(mean * levels, generator=generator).div_(levels).sub_(mean)


def _grey(image: Tensor) -> Tensor:
    if image.shape[0] == 1:
        return image
    return sum(weight * plane for weight, plane in zip(LUMA, image.split(1), strict=True))
