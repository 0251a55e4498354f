"""Whether a generator shows much or little: mean distance among its images, and distance to what it was trained on."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from i2i.metrics.precision_recall import Nearest, nearest

Distance = Callable[[Tensor, Tensor], Tensor]
"""(N, ...) and (N, ...) -> (N,); `Lpips` on images (N, 3, H, W) in [0, 1] is one, `euclidean` on features another."""


class Spread(NamedTuple):
    """The mean distance of two images, and its standard error if pairs were drawn; 0 if all were measured."""

    value: float
    error: float


class Memory(NamedTuple):
    """Each fake's nearest training image, and how much nearer it is than training images are to one another.

    `ratio` is the median distance to that image, divided by the median distance of training images to their own nearest
    other one: about 1 where fakes are as new as training images are to each other, near 0 where they are copies.
    """

    nearest: Nearest
    ratio: float


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """(N, D) and (N, D) -> (N,)."""
    return (x - y).square().sum(1).sqrt()


def mean_pairwise(items: Tensor, distance: Distance, *, pairs: int = 1000, seed: int = 0, batch: int = 16) -> Spread:
    """The mean distance of two different ones of `items` (N, ...), over all pairs or as many random ones: low where
    outputs collapse. Raises ValueError for fewer than two items.
    """
    if len(items) < 2 or pairs < 2:
        raise ValueError(f"diversity: {pairs} pairs of {len(items)} images; allowed: two or more of either")
    places = _pairs(len(items), pairs, np.random.default_rng(seed))
    batches = zip(*(each.split(batch) for each in places), strict=True)
    values = torch.cat([distance(items[first], items[second]).double().cpu() for first, second in batches])
    drawn = len(values) < len(items) * (len(items) - 1) // 2
    return Spread(values.mean().item(), values.std().item() / len(values) ** 0.5 if drawn else 0.0)


def _pairs(count: int, wanted: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The two places of each pair: all pairs if there are no more than `wanted`, else so many with replacement."""
    if count * (count - 1) // 2 <= wanted:
        first, second = np.triu_indices(count, 1)
    else:
        first = random.integers(count, size=wanted)
        second = (first + random.integers(1, count, size=wanted)) % count
    return torch.from_numpy(first), torch.from_numpy(second)


def memorised(fake: Tensor, training: Tensor) -> Memory:
    """Features (N, D) of fakes and (M, D) of the training images. Raises ValueError for fewer than two of these."""
    found = nearest(fake, training)
    usual = nearest(training, training, skip=1).distance.median()
    return Memory(found, (found.distance.median() / usual).item())
