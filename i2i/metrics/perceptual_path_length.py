"""Perceptual path length: how much images change for a small step between two latents; lower is smoother.

Karras, Laine, Aila 2019: A Style-Based Generator Architecture for GANs, section 4.1, https://arxiv.org/abs/1812.04948;
without the outermost hundredth at both ends, as in the code of Karras et al. 2020, https://arxiv.org/abs/1912.04958.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from i2i.metrics.value import MetricValue

EPSILON = 1e-4  # of the way between two latents
_TAIL = 0.01  # share of the lengths that is left out at each end


def path_lengths(
    generate: Callable[[Tensor], Tensor], distance: Callable[[Tensor, Tensor], Tensor], near: Tensor, far: Tensor
) -> Tensor:
    """Lengths (N,) of paths whose ends `near` and `far` (N, ...) are EPSILON of a whole path apart: squared, as
    distances are, relative to that (equation 2).
    """
    return distance(generate(near), generate(far)) / EPSILON**2


def perceptual_path_length(lengths: Tensor) -> MetricValue:
    """Mean of path lengths (N,) without the outermost hundredth at both ends, and its standard error."""
    low, high = (torch.quantile(lengths.double(), share, interpolation="nearest") for share in (_TAIL, 1 - _TAIL))
    kept = lengths.double()[(lengths >= low) & (lengths <= high)]
    error = kept.std().item() / math.sqrt(len(kept)) if len(kept) > 1 else math.nan
    return MetricValue(kept.mean().item(), error)
