"""Precision, recall, density and coverage of generated images in feature space; higher is better.

Kynkaanniemi, Karras, Laine, Lehtinen, Aila 2019: Improved Precision and Recall Metric for Assessing Generative Models,
https://arxiv.org/abs/1904.06991. Naeem, Oh, Uh, Choi, Yoo 2020: Reliable Fidelity and Diversity Metrics for Generative
Models, https://arxiv.org/abs/2002.09797.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from i2i.metrics import neighbours

# Squared distances that differ by less than this share of the largest squared norm count as equal: a matrix product is
# no more exact.
_TOLERANCE = 1e-12


class _BallCounts(NamedTuple):
    balls: Tensor  # (N,) number of balls around each query
    queries: Tensor  # (M,) number of queries in each ball


def precision_recall(fake: Tensor, real: Tensor, *, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall (equations 1 and 2) of features (N, D) and (M, D), both in [0, 1], in float64.

    Precision is the share of fakes that lie in the manifold of real images: in the ball around one of these that
    reaches to its k-th neighbour. Recall is the share of real images in the manifold of fakes. Raises ValueError where
    a set has k images or fewer.
    """
    fake, real = neighbours.centre(fake, real, at_least=k + 1)
    precision = _count_in_balls(fake, real, k, closed=True).balls > 0
    recall = _count_in_balls(real, fake, k, closed=True).balls > 0
    return precision.double().mean().item(), recall.double().mean().item()


def density_coverage(fake: Tensor, real: Tensor, *, k: int = 5) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020) of features (N, D) and (M, D), in float64.

    Density is the mean number of balls of real images around a fake, divided by k: 1 is expected for equal
    distributions, more is possible. Coverage is the share of real images, in [0, 1], with a fake in their ball. Raises
    ValueError like `precision_recall`.
    """
    fake, real = neighbours.centre(fake, real, at_least=k + 1)
    counts = _count_in_balls(fake, real, k, closed=False)
    return counts.balls.double().mean().item() / k, (counts.queries > 0).double().mean().item()


def _count_in_balls(queries: Tensor, centres: Tensor, k: int, *, closed: bool) -> _BallCounts:
    """Count queries in balls around `centres` that reach to their k-th neighbour; `closed` ones include the surface."""
    # A centre is the first of its own neighbours.
    radius = neighbours.k_nearest(centres, centres, k + 1)[0][:, k]
    tolerance = _TOLERANCE * max(queries.square().sum(1).max(), centres.square().sum(1).max())
    radius = radius + tolerance if closed else radius - tolerance
    balls = torch.zeros(len(queries), dtype=torch.int64, device=queries.device)
    inside = torch.zeros(len(centres), dtype=torch.int64, device=queries.device)
    block = neighbours.BLOCK
    for i in range(0, len(queries), block):
        for j in range(0, len(centres), block):
            rows, columns = slice(i, i + block), slice(j, j + block)
            within = neighbours.squared_distances(queries[rows], centres[columns]) <= radius[columns]
            balls[rows] += within.sum(1)
            inside[columns] += within.sum(0)
    return _BallCounts(balls, inside)
