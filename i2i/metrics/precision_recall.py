"""Precision and recall, density and coverage: how far two sets of features lie within each other's neighbourhoods.

Kynkaanniemi, Karras, Laine, Lehtinen, Aila 2019: Improved Precision and Recall Metric for Assessing Generative Models,
https://arxiv.org/abs/1904.06991. Naeem, Oh, Uh, Choi, Yoo 2020: Reliable Fidelity and Diversity Metrics for Generative
Models, https://arxiv.org/abs/2002.09797.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_BLOCK = 2048  # images by images whose distances are held at a time: 34 MB
# Squared distances closer than this part of the largest squared norm are equal: products of matrices tell no better.
_EQUAL = 1e-12


class Nearest(NamedTuple):
    """For each fake its distance to the nearest real one, and the place of that one: (N,) each."""

    distance: Tensor
    place: Tensor


def precision_recall(fake: Tensor, real: Tensor, *, neighbours: int = 3) -> tuple[float, float]:
    """Features (N, D) and (M, D) -> the share of fakes that are like real images, and that of real ones like fakes.

    An image is like a set if it lies in the ball around one of its images that reaches to the k-th neighbour there.
    Computed in float64. Raises ValueError where there are no k neighbours.
    """
    fake, real = _centred(fake, real, neighbours)
    precision = _inside(fake, real, neighbours, closed=True).fakes > 0
    recall = _inside(real, fake, neighbours, closed=True).fakes > 0
    return precision.double().mean().item(), recall.double().mean().item()


def density_coverage(fake: Tensor, real: Tensor, *, neighbours: int = 5) -> tuple[float, float]:
    """Features (N, D) and (M, D) -> the number of real images' balls around a fake, divided by k (1 is due, more is
    possible), and the share of real images with a fake in their ball. Computed and raises like `precision_recall`.
    """
    fake, real = _centred(fake, real, neighbours)
    counts = _inside(fake, real, neighbours, closed=False)
    return counts.fakes.double().mean().item() / neighbours, (counts.balls > 0).double().mean().item()


def nearest(fake: Tensor, real: Tensor, *, skip: int = 0) -> Nearest:
    """Who among the features (M, D) is nearest to each of (N, D); `skip` 1 leaves out the image itself if the sets are
    one. Computed and raises like `precision_recall`.
    """
    fake, real = _centred(fake, real, skip)
    squared, places = _smallest(fake, real, skip + 1)
    return Nearest(squared[:, skip].clamp(min=0).sqrt(), places[:, skip])


class _Counts(NamedTuple):
    fakes: Tensor  # (N,) balls that each fake lies in
    balls: Tensor  # (M,) fakes in each ball


def _inside(fake: Tensor, real: Tensor, neighbours: int, *, closed: bool) -> _Counts:
    """Balls around real images that reach to their k-th neighbour; `closed` ones hold what lies on their surface."""
    # An image is the first of its own neighbours.
    radius = _smallest(real, real, neighbours + 1)[0][:, neighbours]
    slack = _EQUAL * max(fake.square().sum(1).max(), real.square().sum(1).max())
    reach = radius + slack if closed else radius - slack
    fakes = torch.zeros(len(fake), dtype=torch.int64, device=fake.device)
    balls = torch.zeros(len(real), dtype=torch.int64, device=fake.device)
    for i in range(0, len(fake), _BLOCK):
        for j in range(0, len(real), _BLOCK):
            rows, columns = slice(i, i + _BLOCK), slice(j, j + _BLOCK)
            within = _squared_distances(fake[rows], real[columns]) <= reach[columns]
            fakes[rows] += within.sum(1)
            balls[columns] += within.sum(0)
    return _Counts(fakes, balls)


def _smallest(features: Tensor, others: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` smallest squared distances of each to the others, in rising order, and whose they are: (N, count)."""
    values, places = [], []
    for block in features.split(_BLOCK):
        best = block.new_empty(len(block), 0), torch.empty(len(block), 0, dtype=torch.int64, device=block.device)
        for j, other in enumerate(others.split(_BLOCK)):
            squared = _squared_distances(block, other)
            found = squared.topk(min(count, squared.shape[1]), dim=1, largest=False)
            both = torch.cat([best[0], found.values], 1), torch.cat([best[1], found.indices + j * _BLOCK], 1)
            kept = both[0].topk(min(count, both[0].shape[1]), dim=1, largest=False)
            best = kept.values, both[1].gather(1, kept.indices)
        values.append(best[0])
        places.append(best[1])
    return torch.cat(values), torch.cat(places)


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    return x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T


def _centred(fake: Tensor, real: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Both in float64 about one mean, which moves no distance and keeps their digits."""
    few = min(len(fake), len(real))
    if few <= neighbours or fake.shape[1:] != real.shape[1:] or fake.ndim != 2:
        raise ValueError(
            f"features of shapes {tuple(fake.shape)} and {tuple(real.shape)} cannot be compared by {neighbours}"
            f" neighbours; allowed: (N, D) and (M, D) with N and M of {neighbours + 1} or more"
        )
    mean = real.mean(0, dtype=torch.float64)
    return fake.double() - mean, real.double() - mean
