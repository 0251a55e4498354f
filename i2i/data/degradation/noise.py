"""Sensor noise as Real-ESRGAN draws it: Gaussian and Poisson, each pixel's channels apart or alike.

X. Wang et al., "Real-ESRGAN", 2021, section 3.2. Each image has its own field of noise, from its own generator; the
published code shares one grey Gaussian field among a batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # of R, G and B (BT.601)


class Noise(NamedTuple):
    """`strength`: of Gaussian noise the standard deviation in the images' unit, of Poisson noise the factor by which a
    photon count's deviation from its mean is scaled. `grey`: equal in all channels.
    """

    gaussian: bool
    strength: float
    grey: bool


def add_noise(image: Tensor, noise: Noise, generator: torch.Generator) -> Tensor:
    """One image (C, H, W) in [0, 1] with noise on it, not clipped. `generator` is on the image's device."""
    if not noise.gaussian:
        return torch.add(image, _photon_noise(_grey(image) if noise.grey else image, generator), alpha=noise.strength)
    channels = 1 if noise.grey else image.shape[0]
    field = torch.randn(channels, *image.shape[1:], generator=generator, device=image.device, dtype=image.dtype)
    return torch.add(image, field, alpha=noise.strength)


def _photon_noise(image: Tensor, generator: torch.Generator) -> Tensor:
    """Poisson noise of variance value / levels, where `levels` is the power of two that holds all 8-bit values used."""
    values = (image * 255).round_().clamp_(0, 255)
    used = torch.zeros(256, device=image.device).index_fill_(0, values.flatten().to(torch.int64), 1.0).sum()
    levels = torch.exp2(used.log2().ceil())
    mean = values / 255
    return torch.poisson(mean * levels, generator=generator).div_(levels).sub_(mean)


def _grey(image: Tensor) -> Tensor:
    if image.shape[0] == 1:
        return image
    return sum(weight * plane for weight, plane in zip(LUMA, image.split(1), strict=True))
