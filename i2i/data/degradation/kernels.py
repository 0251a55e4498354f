"""Blur kernels of Real-ESRGAN: isotropic and anisotropic Gaussians, generalised Gaussians, plateaus, and sinc filters.

X. Wang et al., "Real-ESRGAN", 2021, sections 3.2 and 3.4, https://arxiv.org/abs/2107.10833; generalised and plateau
shapes after Y.-Q. Liu et al., "Estimating generalized Gaussian blur kernels for out-of-focus image deblurring", 2020.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from i2i.recipe.ranges import Parameter

Range = tuple[Parameter, Parameter]
Kind = Literal[
    "isotropic",
    "anisotropic",
    "generalised-isotropic",
    "generalised-anisotropic",
    "plateau-isotropic",
    "plateau-anisotropic",
]
LARGE = 13  # pixels: from this size on a sinc may have a lower cutoff (the published code; not in the paper)


class Kernel(NamedTuple):
    """The parameters of a kernel; by default those of the identity."""

    size: int = 1  # pixels along a side, odd
    sigma: float = 1.0  # pixels, along the axis at `angle` to the x axis
    sigma_across: float = 1.0
    angle: float = 0.0  # radians
    shape: float = 1.0  # beta: below 1 a sharper peak than a Gaussian's, above a flatter one
    plateau: bool = False  # 1 / (1 + d^beta) in place of exp(-d^beta / 2)
    cutoff: float = 0.0  # radians per pixel, of a sinc, which has none of the above; 0 for no sinc


class KernelOptions(NamedTuple):
    """The distribution of kernels in both passes."""

    size: tuple[int, int]
    kinds: Mapping[Kind, float]  # probabilities
    generalised_shape: Range
    plateau_shape: Range

    @property
    def side(self) -> int:
        return self.size[1]


def draw_kernel(rng: np.random.Generator, options: KernelOptions, sigma: Range) -> Kernel:
    """A kernel that is no sinc, its standard deviations in pixels drawn from the range `sigma`."""
    size = _draw_size(rng, options)
    kind = rng.choice(list(options.kinds), p=list(options.kinds.values()))
    along = across = rng.uniform(*sigma)
    angle = 0.0
    if kind.endswith("anisotropic"):
        across, angle = rng.uniform(*sigma), rng.uniform(-math.pi, math.pi)
    shape = 1.0
    if kind.startswith("generalised"):
        shape = _draw_shape(rng, options.generalised_shape)
    elif kind.startswith("plateau"):
        shape = _draw_shape(rng, options.plateau_shape)
    return Kernel(size, along, across, angle, shape, kind.startswith("plateau"))


def draw_sinc(rng: np.random.Generator, options: KernelOptions, large_cutoff: float) -> Kernel:
    """A sinc filter (section 3.4), which rings; its cutoff is at least pi/3, or `large_cutoff` for large kernels."""
    size = _draw_size(rng, options)
    return Kernel(size, cutoff=rng.uniform(math.pi / 3 if size < LARGE else large_cutoff, math.pi))


def _draw_size(rng: np.random.Generator, options: KernelOptions) -> int:
    smallest, largest = options.size
    return int(rng.integers(smallest // 2, largest // 2 + 1)) * 2 + 1


def _draw_shape(rng: np.random.Generator, shape: Range) -> float:
    """Half of the draws are below 1 and half above."""
    low, high = shape
    return rng.uniform(low, 1.0) if rng.random() < 0.5 else rng.uniform(1.0, high)


def render(kernels: Sequence[Kernel], side: int) -> Tensor:
    """The kernels centered in zeros: float32 (N, side, side), `side` odd, each of sum 1.

    All are symmetric about the center, so convolution and correlation with them are the same.
    """
    table = torch.tensor(kernels, dtype=torch.float64)[..., None, None]
    size, sigma, sigma_across, angle, shape, plateau, cutoff = table.unbind(1)
    offset = torch.arange(side, dtype=torch.float64) - side // 2
    y, x = offset[:, None], offset[None, :]
    along = (x * angle.cos() + y * angle.sin()) / sigma
    across = (y * angle.cos() - x * angle.sin()) / sigma_across
    distance = (along.square() + across.square()) ** shape
    values = torch.where(plateau > 0, 1 / (1 + distance), torch.exp(-distance / 2))
    values = torch.where(cutoff > 0, _sinc(torch.hypot(x, y), cutoff), values)
    values = values * (torch.maximum(x.abs(), y.abs()) <= size // 2)
    return (values / values.sum((1, 2), keepdim=True)).float()


def _sinc(radius: Tensor, cutoff: Tensor) -> Tensor:
    """The circular low-pass filter (equation 6), and its limit where the radius is 0."""
    positive = radius.clamp(min=0.5)
    limit = cutoff**2 / (4 * math.pi)
    value = cutoff * torch.special.bessel_j1(cutoff * positive) / (2 * math.pi * positive)
    return torch.where(radius > 0, value, limit)
