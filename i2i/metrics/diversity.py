"""Diversity of images: mean distance of pairs; low for a generator whose modes have collapsed."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from i2i.metrics.value import MetricValue

PairDistance = Callable[[Tensor, Tensor], Tensor]
"""(N, ...) and (N, ...) -> distances (N,): `Lpips` for images (N, 3, H, W) in [0, 1], `euclidean` for features."""


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances of (N, D) and (N, D), row by row: (N,)."""
    return (x - y).square().sum(1).sqrt()


def mean_pairwise_distance(
    items: Tensor, distance: PairDistance, *, pairs: int = 1000, seed: int = 0, batch: int = 16
) -> MetricValue:
    """Mean distance of two different ones of `items` (N, ...): over all pairs, or as many random `pairs`.

    The error is 0 where all pairs are measured. Raises ValueError for fewer than two items.
    """
    if len(items) < 2 or pairs < 2:
        raise ValueError(f"diversity: {pairs} pairs of {len(items)} images; allowed: two or more of either")
    indices = _draw_pairs(len(items), pairs, np.random.default_rng(seed))
    batches = zip(*(each.split(batch) for each in indices), strict=True)
    values = torch.cat([distance(items[first], items[second]).double().cpu() for first, second in batches])
    is_sample = len(values) < len(items) * (len(items) - 1) // 2
    return MetricValue(values.mean().item(), values.std().item() / len(values) ** 0.5 if is_sample else 0.0)


def _draw_pairs(count: int, most: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Indices of all pairs where these are at most `most`, else of `most` random pairs, with replacement."""
    if count * (count - 1) // 2 <= most:
        first, second = np.triu_indices(count, 1)
    else:
        first = random.integers(count, size=most)
        second = (first + random.integers(1, count, size=most)) % count
    return torch.from_numpy(first), torch.from_numpy(second)
