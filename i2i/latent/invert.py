"""Images back into latents: the point of a generator's latent space whose image is nearest to a given one.

Zhu, Krähenbühl, Shechtman, Efros 2016: Generative Visual Manipulation on the Natural Image Manifold, section 3.1,
https://arxiv.org/abs/1609.03552.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.latent.distances import Distance, pixel_distance
from i2i.latent.sampler import check_label
from i2i.networks.generators.base import LatentGenerator

Space = Literal["z", "w"]

_FINEST_SEARCHED = 32  # pixels, of images that are compared to choose where to start
_SEARCHED_AT_ONCE = 16


class Inversion(NamedTuple):
    """What was found for N images: their points in the space asked for (N, ...), their labels (N,) where the generator
    has classes, their reconstructions (N, C, size, size) in the generator's range, and the distances to those (N,).
    """

    latents: Tensor
    labels: Tensor | None
    images: Tensor
    distances: Tensor


def invert(
    generator: LatentGenerator,
    images: Tensor,
    *,
    random: torch.Generator,
    label: int | None = None,
    space: Space = "z",
    distance: Distance | None = None,
    steps: int = 300,
    restarts: int = 4,
    candidates: int = 256,
    learning_rate: float = 0.1,
    sphere_weight: float = 0.01,
    progress: Callable[[int, int], None] = lambda step, steps: None,
) -> Inversion:
    """The latents whose images are nearest to `images` (N, C, size, size), in the generator's range, by `distance`
    (`pixel_distance` by default).

    Of `candidates` drawn from `random` the nearest start `restarts` descents for each image, by Adam with a rate that
    falls to 0 by half a cosine; the best end counts. For the first half of the way z is drawn towards the sphere where
    the latents of a normal distribution lie. Without `label` the candidates are of all classes in turn. Images of one
    batch do not influence each other. `progress` is told (steps done, steps). Raises ValueError for a generator in
    training mode and for what can't be.
    """
    check_label(generator, label)
    _check(generator, images, steps=steps, restarts=restarts, candidates=candidates)
    distance = distance or pixel_distance(generator.value_range)
    starts, labels = _starts(generator, images, random, label, candidates, restarts)
    targets = images.repeat_interleave(restarts, dim=0)
    if space == "w":
        with torch.no_grad():
            starts = generator.map(starts, labels)
    points = starts.clone().requires_grad_()

    def made() -> Tensor:
        return generator.synthesise(generator.map(points, labels) if space == "z" else points, labels)

    # Distances fall to a millionth, and gradients with them: Adam's usual epsilon would stop it there.
    optimiser = torch.optim.Adam([points], lr=learning_rate, eps=1e-12)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss = distance(made(), targets, labels)
        if space == "z" and step < steps / 2:
            loss = loss + sphere_weight * _off_sphere(points)
        optimiser.zero_grad()
        loss.sum().backward(inputs=[points])
        optimiser.step()
        progress(step + 1, steps)
    with torch.no_grad():
        reached = distance(made(), targets, labels)
        return _best(made(), points.detach(), labels, reached, restarts)


def _check(generator: LatentGenerator, images: Tensor, **counts: int) -> None:
    if generator.training:
        raise ValueError("invert: the generator is in training mode, where images of a batch mix; call eval() first")
    shape = (generator.out_channels, generator.size, generator.size)
    if images.ndim != 4 or images.shape[1:] != shape:
        raise ValueError(f"invert: images of shape {tuple(images.shape)}; allowed: (N, {', '.join(map(str, shape))})")
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} {count} is refused; allowed: whole numbers from 1")
    if counts["restarts"] > counts["candidates"]:
        raise ValueError(
            f"restarts {counts['restarts']} is refused; allowed: up to {counts['candidates']} (candidates)"
        )


def _starts(
    generator: LatentGenerator, images: Tensor, random: torch.Generator, label: int | None, number: int, restarts: int
) -> tuple[Tensor, Tensor | None]:
    """(N * restarts, latent) of the candidates whose images are nearest, seen small, and their labels."""
    device = images.device
    z = torch.randn(number, generator.latent, generator=random).to(device)
    labels = None
    if classes := generator.classes:
        labels = torch.arange(number, device=device) % classes if label is None else z.new_full((number,), label).long()
    factor = max(1, generator.size // _FINEST_SEARCHED)
    small = []
    with torch.no_grad():
        for begin in range(0, number, _SEARCHED_AT_ONCE):
            part = slice(begin, begin + _SEARCHED_AT_ONCE)
            made = generator(z[part], None if labels is None else labels[part])
            small.append(F.avg_pool2d(made, factor).flatten(1))
        distances = torch.cdist(F.avg_pool2d(images, factor).flatten(1), torch.cat(small))
    nearest = distances.topk(restarts, dim=1, largest=False).indices.flatten()
    return z[nearest], labels[nearest] if labels is not None else None


def _off_sphere(z: Tensor) -> Tensor:
    """(N,): how far mean squares are from 1, which those of normal latents are."""
    return (z.square().mean(1) - 1).square()


def _best(images: Tensor, points: Tensor, labels: Tensor | None, distances: Tensor, restarts: int) -> Inversion:
    """Of each image's restarts the one that came nearest."""
    best = distances.reshape(-1, restarts).argmin(1)
    chosen = torch.arange(len(best), device=best.device) * restarts + best
    return Inversion(points[chosen], labels[chosen] if labels is not None else None, images[chosen], distances[chosen])
