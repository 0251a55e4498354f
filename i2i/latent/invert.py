"""GAN inversion: finds the latent whose image is nearest to a given one.

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

_SEARCH_SIZE = 32  # pixels of the images by which the starting points are chosen
_SEARCH_BATCH = 16


class Inversion(NamedTuple):
    """Latents of N images: points in the chosen space (N, ...), labels (N,) where the generator has classes,
    reconstructions (N, C, size, size) in the generator's range, and their distances (N,).
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
    """Find the latents of `images` (N, C, size, size) in the generator's range, by default by `pixel_distance`.

    The nearest of `candidates` drawn from `random` start `restarts` descents for each image, by Adam with a cosine
    schedule to 0; the best result counts. For the first half of the steps z is penalised for leaving the sphere of
    normally distributed latents. Without `label` the candidates are of all classes in turn. Images of a batch do not
    influence each other. `progress` is called with (steps done, steps). Raises ValueError for a generator in training
    mode, other shapes and numbers below 1.
    """
    check_label(generator, label)
    _check(generator, images, steps=steps, restarts=restarts, candidates=candidates)
    distance = distance or pixel_distance(generator.value_range)
    z, labels = _starts(generator, images, random, label, candidates, restarts)
    points, targets = _to_space(generator, z, labels, space), images.repeat_interleave(restarts, dim=0)
    # Distances and gradients fall to a millionth, below Adam's usual epsilon.
    optimiser = torch.optim.Adam([points], lr=learning_rate, eps=1e-12)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        loss = distance(_images(generator, points, labels, space), targets, labels)
        if space == "z" and step < steps / 2:
            loss = loss + sphere_weight * _off_sphere(points)
        optimiser.zero_grad()
        loss.sum().backward(inputs=[points])
        optimiser.step()
        progress(step + 1, steps)
    return _best(generator, points.detach(), labels, targets, distance, space, restarts)


@torch.no_grad()
def _to_space(generator: LatentGenerator, z: Tensor, labels: Tensor | None, space: Space) -> Tensor:
    """The latents as points of a space that gradients are taken of."""
    return (generator.map(z, labels) if space == "w" else z).clone().requires_grad_()


def _images(generator: LatentGenerator, points: Tensor, labels: Tensor | None, space: Space) -> Tensor:
    return generator.synthesise(generator.map(points, labels) if space == "z" else points, labels)


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
    """Latents (N * restarts, latent) of the candidates whose down-sampled images are nearest, and their labels."""
    device = images.device
    z = torch.randn(number, generator.latent, generator=random).to(device)
    labels = None
    if classes := generator.classes:
        labels = torch.arange(number, device=device) % classes if label is None else z.new_full((number,), label).long()
    factor = max(1, generator.size // _SEARCH_SIZE)
    small = []
    with torch.no_grad():
        for begin in range(0, number, _SEARCH_BATCH):
            part = slice(begin, begin + _SEARCH_BATCH)
            fake = generator(z[part], None if labels is None else labels[part])
            small.append(F.avg_pool2d(fake, factor).flatten(1))
        distances = torch.cdist(F.avg_pool2d(images, factor).flatten(1), torch.cat(small))
    nearest = distances.topk(restarts, dim=1, largest=False).indices.flatten()
    return z[nearest], labels[nearest] if labels is not None else None


def _off_sphere(z: Tensor) -> Tensor:
    """Squared difference (N,) of the mean squares from 1, the expectation for normally distributed latents."""
    return (z.square().mean(1) - 1).square()


@torch.no_grad()
def _best(
    generator: LatentGenerator,
    points: Tensor,
    labels: Tensor | None,
    targets: Tensor,
    distance: Distance,
    space: Space,
    restarts: int,
) -> Inversion:
    """The nearest of each image's restarts."""
    images = _images(generator, points, labels, space)
    distances = distance(images, targets, labels)
    best = distances.reshape(-1, restarts).argmin(1)
    chosen = torch.arange(len(best), device=best.device) * restarts + best
    return Inversion(points[chosen], labels[chosen] if labels is not None else None, images[chosen], distances[chosen])
