"""Regularisers of inversion: they keep latents where those of samples are, and noise maps noise.

Karras, Laine, Aittala, Hellsten, Lehtinen, Aila 2020: Analyzing and Improving the Image Quality of StyleGAN, appendix
D, https://arxiv.org/abs/1912.04958 (noise). Tov, Alaluf, Nitzan, Patashnik, Cohen-Or 2021: Designing an Encoder for
StyleGAN Image Manipulation, section 4.2, https://arxiv.org/abs/2102.02766 (layers near one another).
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

_SMALLEST_MAP = 8  # pixels of a noise map whose neighbours are compared


def off_sphere(z: Tensor) -> Tensor:
    """Squared difference (N,) of the mean squares of z from 1, the expectation for normally distributed latents."""
    return (z.square().mean(1) - 1).square()


def off_mean(w: Tensor) -> Tensor:
    """How much farther (N,) from the mean w than samples are: the mean square above 1 of points (N, D) or (N, layers,
    D) in standard deviations, 0 below.
    """
    return F.relu(w.flatten(1).square().mean(1) - 1)


def off_one_another(w: Tensor) -> Tensor:
    """Mean squared distance (N,) of the points of layers (N, layers, D) from their mean."""
    return w.var(1, unbiased=False).mean(1)


def correlation(noise: Mapping[str, Tensor]) -> Tensor:
    """Squared correlations of neighbours, down and to the right, in noise maps (N, 1, S, S) and in their halvings down
    to 8 pixels, summed: (N,).
    """
    total = torch.zeros(())
    for level in noise.values():
        while True:
            total = total.to(level.device) + sum(
                (level * level.roll(1, dims=axis)).flatten(1).mean(1).square() for axis in (2, 3)
            )
            if level.shape[-1] < 2 * _SMALLEST_MAP:
                break
            level = F.avg_pool2d(level, 2) * 2  # keeps the variance of noise
    return total


@torch.no_grad()
def standardise(noise: Mapping[str, Tensor], moments: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Bring noise maps to a mean and a deviation in place."""
    for name, level in noise.items():
        mean, deviation = level.mean((1, 2, 3), keepdim=True), level.std((1, 2, 3), keepdim=True, unbiased=False)
        level.sub_(mean).div_(deviation.clamp_min(1e-8)).mul_(moments[name][1]).add_(moments[name][0])
