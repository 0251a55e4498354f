"""GAN inversion: finds the latent whose image is nearest to a given one.

Zhu, Krähenbühl, Shechtman, Efros 2016: Generative Visual Manipulation on the Natural Image Manifold, section 3.1,
https://arxiv.org/abs/1609.03552. With noise maps as Karras, Laine, Aittala, Hellsten, Lehtinen, Aila 2020: Analyzing
and Improving the Image Quality of StyleGAN, appendix D, https://arxiv.org/abs/1912.04958.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.latent.distances import Distance, pixel_distance
from i2i.latent.regularisers import correlation, off_mean, off_one_another, off_sphere, standardise
from i2i.latent.sampler import check_label
from i2i.latent.space import LatentSpace, NoiseMaps, Space
from i2i.networks.generators.base import LatentGenerator

_SEARCH_SIZE = 32  # pixels of the images by which the starting points are chosen
_SEARCH_BATCH = 16
_NOISE_WEIGHT = 0.1  # of correlated noise: a larger one, as the paper's 1e5 beside LPIPS, leaves it nothing to give


class Inversion(NamedTuple):
    """Latents of N images: points in the chosen space (N, ...), labels (N,) where the generator has classes,
    reconstructions (N, C, size, size) in the generator's range, their distances (N,), and noise maps (N, 1, S, S).
    """

    latents: Tensor
    labels: Tensor | None
    images: Tensor
    distances: Tensor
    noise: NoiseMaps


def invert(
    generator: LatentGenerator,
    images: Tensor,
    *,
    random: torch.Generator,
    label: int | None = None,
    space: Space = "z",
    noise: bool = False,
    distance: Distance | None = None,
    steps: int = 300,
    restarts: int = 4,
    candidates: int = 256,
    learning_rate: float = 0.1,
    sphere_weight: float = 0.01,
    w_weight: float = 1e-3,
    progress: Callable[[int, int], None] = lambda step, steps: None,
) -> Inversion:
    """Find the latents of `images` (N, C, size, size) in the generator's range, by default by `pixel_distance`.

    The nearest of `candidates` drawn from `random` start `restarts` descents for each image, by Adam with a cosine
    schedule to 0; the best result counts. For the first half of the steps z is penalised for leaving the sphere of
    normally distributed latents. By `w_weight` points of w and w+ are penalised for being farther from the mean w than
    samples, and those of the layers in w+ for being apart. With `noise` the generator's noise maps are found, too, and
    kept free of structure. Without `label` the candidates are of all classes in turn. Images of a batch do not
    influence each other. `progress` is called with (steps done, steps). Raises ValueError for a generator in training
    mode, a space that it has not, other shapes and numbers below 1.
    """
    check_label(generator, label)
    _check(generator, images, steps=steps, restarts=restarts, candidates=candidates)
    latent_space = LatentSpace(generator, space)
    distance = distance or pixel_distance(generator.value_range)
    z, labels = _starts(generator, images, random, label, candidates, restarts)
    with torch.no_grad():
        points = latent_space.from_z(z, labels).clone().requires_grad_()
    targets, maps = images.repeat_interleave(restarts, dim=0), _starting_noise(generator, len(points)) if noise else {}
    moments = {name: (level.mean(), level.std(unbiased=False)) for name, level in generator.noise_maps().items()}
    # Distances and gradients fall to a millionth, below Adam's usual epsilon.
    optimiser = torch.optim.Adam([points, *maps.values()], lr=learning_rate, eps=1e-12)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        loss = distance(latent_space.synthesise(points, labels, maps), targets, labels)
        if space != "z":
            loss = loss + w_weight * _off(latent_space, points) + _NOISE_WEIGHT * correlation(maps)
        elif step < steps / 2:
            loss = loss + sphere_weight * off_sphere(points)
        optimiser.zero_grad()
        loss.sum().backward(inputs=[points, *maps.values()])
        optimiser.step()
        standardise(maps, moments)
        progress(step + 1, steps)
    found = {name: level.detach() for name, level in maps.items()}
    return _best(latent_space, points.detach(), labels, found, targets, distance, restarts)


def _starting_noise(generator: LatentGenerator, number: int) -> dict[str, Tensor]:
    """A copy of the generator's own noise for each image."""
    return {
        name: level.detach().expand(number, -1, -1, -1).clone().requires_grad_()
        for name, level in generator.noise_maps().items()
    }


def _off(space: LatentSpace, points: Tensor) -> Tensor:
    """How far (N,) points of w or w+ are from where samples are."""
    points = space.normalised(points)
    return off_mean(points) + (off_one_another(points) if space.name == "w+" else 0)


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


@torch.no_grad()
def _best(
    space: LatentSpace,
    points: Tensor,
    labels: Tensor | None,
    noise: NoiseMaps,
    targets: Tensor,
    distance: Distance,
    restarts: int,
) -> Inversion:
    """The nearest of each image's restarts."""
    images = space.synthesise(points, labels, noise)
    distances = distance(images, targets, labels)
    best = distances.reshape(-1, restarts).argmin(1)
    chosen = torch.arange(len(best), device=best.device) * restarts + best
    return Inversion(
        points[chosen],
        labels[chosen] if labels is not None else None,
        images[chosen],
        distances[chosen],
        {name: level[chosen] for name, level in noise.items()},
    )
