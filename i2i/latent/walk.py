"""Latent space interpolation between samples, and vector arithmetic on them.

Radford, Metz, Chintala 2016, sections 6.1 and 6.3.2, https://arxiv.org/abs/1511.06434; walks along the sphere after
White 2016: Sampling Generative Networks, section 2.1, https://arxiv.org/abs/1609.04468.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i.latent.latent_file import Latent, of_seeds, stack
from i2i.latent.sampler import Sampler

_TINY = 1e-6  # of a sine or a length: too small to divide by


def lerp(start: Tensor, end: Tensor, fractions: Tensor) -> Tensor:
    """Linear interpolation: points (T, ...) between two (...), at `fractions` (T,) from 0 to 1."""
    fractions = fractions.reshape(-1, *[1] * start.ndim)
    return (1 - fractions) * start + fractions * end


def slerp(start: Tensor, end: Tensor, fractions: Tensor) -> Tensor:
    """Spherical interpolation: points (T, D) between two (D,), at `fractions` (T,) of the angle between them.

    Lengths are interpolated linearly, where those on a line would shrink midway: latents of many dimensions lie near a
    sphere. Parallel and opposite vectors are interpolated linearly.
    """
    a, b = start / start.norm(), end / end.norm()
    angle = torch.acos((a @ b).clamp(-1, 1))
    if torch.sin(angle) < _TINY:
        return lerp(start, end, fractions)
    length = lerp(start.norm(), end.norm(), fractions)[:, None]
    shares = torch.sin(torch.stack([1 - fractions, fractions], dim=1) * angle) / torch.sin(angle)
    return length * (shares @ torch.stack([a, b]))


def walk(
    sampler: Sampler,
    stops: Sequence[int],
    labels: Sequence[int] = (),
    *,
    frames: int = 60,
    truncation: float = 1.0,
    batch: int = 16,
) -> Iterator[NDArray[np.uint8]]:
    """Walk between the samples of seeds, as `walk_between` does, whose classes are `labels`, by default the seeds'."""
    latents = of_seeds(sampler, stops, labels or sampler.labels_of(stops), truncation=truncation)
    yield from walk_between(sampler, latents, frames=frames, batch=batch)


def walk_between(
    sampler: Sampler, stops: Sequence[Latent], *, frames: int = 60, batch: int = 16
) -> Iterator[NDArray[np.uint8]]:
    """Generate images (H, W, C) from one latent to the next, `frames` from stop to stop including both; a stop between
    two legs comes once.

    Latents z are interpolated spherically, as are noise maps; the points w of a `linear` generator, or of stops that
    are no z, linearly, and the class with them. In other generators the class changes midway. Raises ValueError for
    fewer than two stops or frames.
    """
    if len(stops) < 2 or frames < 2:
        raise ValueError(f"a walk of {len(stops)} stops in {frames} frames is refused; allowed: 2 or more of both")
    in_z = not sampler.generator.linear and all(stop.space == "z" for stop in stops)
    w, labels, noise = stack(sampler.generator, stops)
    ends = torch.stack([stop.point for stop in stops]) if in_z else w
    fractions = torch.linspace(0, 1, frames, dtype=torch.float64)  # which not every device has
    for leg, (start, end) in enumerate(pairwise(ends.cpu().double())):
        between = (slerp if in_z else lerp)(start, end, fractions).float().to(sampler.device)
        nearest = [labels[leg + round(at)] for at in fractions.tolist()] if labels else []
        maps = {name: _between_maps(level[leg], level[leg + 1], fractions) for name, level in noise.items()}
        for begin in range(1 if leg else 0, frames, batch):
            part, label = between[begin : begin + batch], nearest[begin : begin + batch]
            points = sampler.map(part, label) if in_z else part
            yield from sampler.picture(
                points, label, {name: level[begin : begin + batch] for name, level in maps.items()}
            )


def _between_maps(start: Tensor, end: Tensor, fractions: Tensor) -> Tensor:
    """Noise maps (T, 1, S, S) between two (1, S, S); they stay as strong as noise is."""
    between = slerp(start.cpu().double().flatten(), end.cpu().double().flatten(), fractions)
    return between.reshape(-1, *start.shape).to(start)


def combine(
    sampler: Sampler,
    add: Sequence[Sequence[int]],
    subtract: Sequence[Sequence[int]],
    label: int | None = None,
    *,
    truncation: float = 1.0,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Vector arithmetic: the images (terms, H, W, C) of all terms, those to `add` first, and of the result (H, W, C).

    A term is the mean of its seeds, in the paper of three, since single ones gave unstable results. Terms and result
    are scaled to the mean length of their latents, unless points w are `linear`. All are of the class `label`, by
    default that of the first seed. Raises ValueError where there is nothing to add.
    """
    if not add or not all([*add, *subtract]):
        raise ValueError("arithmetic of seeds: nothing to add; for example: --add 1,4,5 --subtract 2 --add 3")
    label = next(iter(sampler.labels_of(add[0][:1], label)), None)
    groups, linear = [*add, *subtract], sampler.generator.linear
    seeds = [seed for group in groups for seed in group]
    points = sampler.draw(seeds, truncation=truncation)
    if linear:
        points = sampler.map(points, sampler.labels_of(seeds, label), truncation=truncation)

    def rescaled(point: Tensor, origins: Tensor) -> Tensor:
        return point if linear else point * origins.norm(dim=1).mean() / point.norm().clamp_min(_TINY)

    terms = torch.stack([rescaled(part.mean(0), part) for part in points.split([len(group) for group in groups])])
    result = rescaled(terms[: len(add)].sum(0) - terms[len(add) :].sum(0), points)
    w, labels = torch.stack([*terms, result]), sampler.labels_of(range(len(groups) + 1), label)
    pictures = sampler.picture(w if linear else sampler.map(w, labels, truncation=truncation), labels)
    return pictures[:-1], pictures[-1]
