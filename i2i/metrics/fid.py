"""Frechet distance between two sets of features, which is FID where the features are Inception's.

Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter 2017: GANs Trained by a Two Time-Scale Update Rule Converge to a
Local Nash Equilibrium, equation 6, https://arxiv.org/abs/1706.08500.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Statistics(NamedTuple):
    """The Gaussian of a set of features: its mean (D,), and a root (R, D) with root^T root = covariance."""

    mean: Tensor
    root: Tensor


def statistics(features: Tensor) -> Statistics:
    """Mean and covariance (divided by N - 1) of features (N, D), in float64. Raises ValueError for fewer than two."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"statistics: features of shape {tuple(features.shape)}; allowed: (N, D) of two or more images"
        )
    mean = features.mean(0, dtype=torch.float64)
    # What is singular stays so to the last digit: the features themselves are a root while they are few.
    if len(features) <= features.shape[1]:
        return Statistics(mean, (features.double() - mean) / (len(features) - 1) ** 0.5)
    covariance = mean.new_zeros(len(mean), len(mean))
    for block in features.split(4096):  # in float64 all of them may not fit
        centred = block.double() - mean
        covariance.addmm_(centred.T, centred)
    return from_covariance(mean, covariance / (len(features) - 1))


def from_covariance(mean: Tensor, covariance: Tensor) -> Statistics:
    """The same from what others publish about a set: mean (D,) and covariance (D, D)."""
    values, vectors = torch.linalg.eigh(covariance.double())
    return Statistics(mean.double(), values.clamp(min=0).sqrt()[:, None] * vectors.T)


def frechet_distance(fake: Statistics, real: Statistics) -> float:
    """|m - m'|^2 + Tr(C + C' - 2 (C C')^(1/2)), at least 0. Raises ValueError for statistics of other features."""
    if fake.mean.shape != real.mean.shape:
        raise ValueError(f"FID: {len(fake.mean)} and {len(real.mean)} features; use one extractor for both")
    # With C = A^T A and C' = B^T B the eigenvalues of C C' are the squared singular values of A B^T; taken from A and B
    # they keep the digits that a root of the product loses.
    shared = torch.linalg.svdvals(fake.root @ real.root.T).sum()
    distance = (fake.mean - real.mean).square().sum() + fake.root.square().sum() + real.root.square().sum() - 2 * shared
    return max(0.0, distance.item())
