"""Kernel inception distance (KID), the squared maximum mean discrepancy of two sets of features; lower is better.

Binkowski, Sutherland, Arbel, Gretton 2018: Demystifying MMD GANs, section 4 and appendix D,
https://arxiv.org/abs/1801.01401.
"""

import numpy as np
import torch
from torch import Tensor

from i2i.metrics.value import MetricValue


def kid(fake: Tensor, real: Tensor, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0) -> MetricValue:
    """KID of features (N, D) and (M, D) as mean over random subsets, in float64; unbiased, so it may be below 0.

    The error is that of an estimate from N and M images. Sets of `subset_size` or fewer images are used whole, once if
    both are. Raises ValueError for fewer than two images.
    """
    if min(len(fake), len(real)) < 2 or subsets < 1 or subset_size < 2:
        raise ValueError(
            f"KID: {len(fake)} and {len(real)} images, {subsets} subsets of {subset_size}; allowed: two or more"
            " images in each set and subset, one subset or more"
        )
    random = np.random.default_rng(seed)
    if max(len(fake), len(real)) <= subset_size:
        subsets = 1
    values, variances = [], []
    for _ in range(subsets):
        x, y = (_draw_subset(features, subset_size, random).double() for features in (fake, real))
        value, variance_x, variance_y = _unbiased_mmd(x, y)
        values.append(value)
        variances.append(variance_x / len(fake) + variance_y / len(real))
    return MetricValue(float(np.mean(values)), float(np.sqrt(np.mean(variances))))


def _draw_subset(features: Tensor, size: int, random: np.random.Generator) -> Tensor:
    if len(features) <= size:
        return features
    return features[torch.from_numpy(random.permutation(len(features))[:size])]


def _unbiased_mmd(x: Tensor, y: Tensor) -> tuple[float, float, float]:
    """Unbiased estimate of MMD^2 (equation 4), and the variance that one image of x, or of y, contributes to it.

    By the first term of Hoeffding's decomposition an image moves the estimate by twice the difference of its mean
    similarities to its own set and to the other one.
    """
    m, n = len(x), len(y)
    within_x, within_y, between = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    own_x = (within_x.sum(1) - within_x.diagonal()) / (m - 1)
    own_y = (within_y.sum(1) - within_y.diagonal()) / (n - 1)
    value = own_x.mean() + own_y.mean() - 2 * between.mean()
    variance_x, variance_y = 4 * (own_x - between.mean(1)).var(), 4 * (own_y - between.mean(0)).var()
    return value.item(), variance_x.item(), variance_y.item()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """Polynomial kernel (x^T y / D + 1)^3 of section 4."""
    return (x @ y.T / x.shape[1] + 1) ** 3
