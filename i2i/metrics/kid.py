"""Squared maximum mean discrepancy of two sets of features, which is KID where the features are Inception's.

Binkowski, Sutherland, Arbel, Gretton 2018: Demystifying MMD GANs, section 4 and appendix D,
https://arxiv.org/abs/1801.01401.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Discrepancy(NamedTuple):
    """An estimate without bias, so that it may be below 0, and its standard error for so many images."""

    value: float
    error: float


def kernel_distance(
    fake: Tensor, real: Tensor, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> Discrepancy:
    """Features (N, D) and (M, D) -> the mean over random subsets, as published; in float64.

    Sets of `subset_size` or fewer are measured whole, once if both are. Raises ValueError for fewer than two images.
    """
    if min(len(fake), len(real)) < 2 or subsets < 1 or subset_size < 2:
        raise ValueError(
            f"KID: {len(fake)} and {len(real)} images, {subsets} subsets of {subset_size}; allowed: two or more"
            " images in each set and subset, one subset or more"
        )
    random = np.random.default_rng(seed)
    if max(len(fake), len(real)) <= subset_size:
        subsets = 1
    values, errors = [], []
    for _ in range(subsets):
        x, y = (_subset(features, subset_size, random).double() for features in (fake, real))
        value, variances = _mmd(x, y)
        values.append(value)
        errors.append(variances[0] / len(fake) + variances[1] / len(real))
    return Discrepancy(float(np.mean(values)), float(np.sqrt(np.mean(errors))))


def _subset(features: Tensor, size: int, random: np.random.Generator) -> Tensor:
    if len(features) <= size:
        return features
    return features[torch.from_numpy(random.permutation(len(features))[:size])]


def _mmd(x: Tensor, y: Tensor) -> tuple[float, tuple[float, float]]:
    """The unbiased estimate, and how much one image of either set contributes to its variance.

    Each image moves the estimate by twice its own mean similarity to its set less that to the other set (the first term
    of Hoeffding's decomposition), so that the variance of those means tells the error.
    """
    m, n = len(x), len(y)
    within_x, within_y, between = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    own_x = (within_x.sum(1) - within_x.diagonal()) / (m - 1)
    own_y = (within_y.sum(1) - within_y.diagonal()) / (n - 1)
    value = own_x.mean() + own_y.mean() - 2 * between.mean()
    return value.item(), (4 * (own_x - between.mean(1)).var().item(), 4 * (own_y - between.mean(0)).var().item())


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3
