"""Frechet inception distance (FID) of two sets of images, lower is better, 0 for equal statistics.

Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter 2017: GANs Trained by a Two Time-Scale Update Rule Converge to a
Local Nash Equilibrium, equation 6, https://arxiv.org/abs/1706.08500.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Gaussian(NamedTuple):
    """Gaussian fitted to features: its mean (D,), and a root (R, D) of its covariance: root^T root = covariance."""

    mean: Tensor
    root: Tensor


def fid(fake: Tensor, real: Tensor) -> float:
    """FID of features (N, D) and (M, D), in float64. Raises ValueError for one image alone, or different D."""
    return frechet_distance(fit_gaussian(fake), fit_gaussian(real))


def fit_gaussian(features: Tensor) -> Gaussian:
    """Mean and unbiased covariance (N - 1) of features (N, D), in float64. Raises ValueError for fewer than two."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"FID: features of shape {tuple(features.shape)}; allowed: (N, D) of two or more images")
    mean = features.mean(0, dtype=torch.float64)
    # Few centred features are a root themselves, and a smaller one than an eigendecomposition gives.
    if len(features) <= features.shape[1]:
        return Gaussian(mean, (features.double() - mean) / (len(features) - 1) ** 0.5)
    covariance = mean.new_zeros(len(mean), len(mean))
    for block in features.split(4096):  # all features in float64 may not fit into memory
        centred = block.double() - mean
        covariance.addmm_(centred.T, centred)
    return gaussian_from_covariance(mean, covariance / (len(features) - 1))


def gaussian_from_covariance(mean: Tensor, covariance: Tensor) -> Gaussian:
    """Gaussian from published statistics of a data set: mean (D,) and covariance (D, D)."""
    values, vectors = torch.linalg.eigh(covariance.double())
    return Gaussian(mean.double(), values.clamp(min=0).sqrt()[:, None] * vectors.T)


def frechet_distance(fake: Gaussian, real: Gaussian) -> float:
    """|m - m'|^2 + Tr(C + C' - 2 (C C')^(1/2)), from 0. Raises ValueError for Gaussians of different dimension."""
    if fake.mean.shape != real.mean.shape:
        raise ValueError(f"FID: {len(fake.mean)} and {len(real.mean)} features; use one extractor for both")
    # With C = A^T A and C' = B^T B the eigenvalues of C C' are the squared singular values of A B^T. Computed from A
    # and B they keep the digits that a root of the product loses.
    trace_of_root = torch.linalg.svdvals(fake.root @ real.root.T).sum()
    traces = fake.root.square().sum() + real.root.square().sum()
    return max(0.0, ((fake.mean - real.mean).square().sum() + traces - 2 * trace_of_root).item())
