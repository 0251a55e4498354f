"""Pivotal tuning: a generator is fine-tuned until the latent of an image gives that image.

Roich, Mokady, Bermano, Cohen-Or 2021: Pivotal Tuning for Latent-based Editing of Real Images, sections 3.2 and 3.3,
https://arxiv.org/abs/2106.05744.
"""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor

from i2i.latent.distances import Distance
from i2i.latent.latent_file import Latent, stack
from i2i.latent.space import statistics_of, synthesise
from i2i.networks.generators.base import LatentGenerator

_LEARNING_RATE = 3e-4
_LOCALITY_WEIGHT = 0.1  # lambda_R


def tune(
    generator: LatentGenerator,
    pivot: Latent,
    image: Tensor,
    *,
    distance: Distance,
    steps: int,
    random: torch.Generator,
    learning_rate: float = _LEARNING_RATE,
    locality_weight: float = _LOCALITY_WEIGHT,
    progress: Callable[[int, int], None] = lambda step, steps: None,
) -> LatentGenerator:
    """Fine-tune a copy of a generator, in eval mode, to give `image` (C, size, size) for the latent `pivot`.

    The locality term, of `locality_weight`, keeps the images of random points as far from the pivot as samples are from
    the mean w (the paper: 30, for its faces) what they were. The mapping network stays as it is. `progress` is called
    with (steps done, steps).
    """
    tuned = deepcopy(generator).eval().requires_grad_(True)
    w, labels, noise = stack(generator, [pivot])
    label = torch.tensor(labels, device=w.device) if labels else None
    radius = statistics_of(generator).deviation.norm()
    # Points w are given, so the mapping network gets no gradients.
    optimiser = torch.optim.Adam(tuned.parameters(), lr=learning_rate)
    for step in range(steps):
        z = torch.randn(1, generator.latent, generator=random).to(w)
        with torch.no_grad():
            away = generator.map(z, label) - w
            near = w + radius * away / _length(away)
            expected = generator.synthesise(near, label)
        loss = distance(synthesise(tuned, w, label, noise), image[None], label)
        loss = loss + locality_weight * distance(tuned.synthesise(near, label), expected, label)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        progress(step + 1, steps)
    return tuned.requires_grad_(False)


def _length(points: Tensor) -> Tensor:
    """Length of the last dimension of points, which is that of each layer."""
    return points.norm(dim=-1, keepdim=True).clamp_min(1e-8)
