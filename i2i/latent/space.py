"""Latent spaces of a generator from noise: z, its noise; w, mapped latents; w+, a point w for every layer.

W+ after Abdal, Qin, Wonka 2019: Image2StyleGAN: How to Embed Images Into the StyleGAN Latent Space?, section 4,
https://arxiv.org/abs/1904.03189.
"""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from i2i.networks.generators.base import LatentGenerator
from i2i_runtime.seeds import latents

Space = Literal["z", "w", "w+"]
NoiseMaps = Mapping[str, Tensor]  # (N, 1, S, S) by the names of `LatentGenerator.noise_maps`
NO_NOISE: NoiseMaps = MappingProxyType({})

_DRAWN = 1000  # latents, of which statistics are
_TINY = 1e-8


class Statistics(NamedTuple):
    """Mean and standard deviation of points w, (D,) each."""

    mean: Tensor
    deviation: Tensor


class LatentSpace:
    """A latent space of a generator in eval mode.

    Shapes: points of z (N, latent), of w (N, D), of w+ (N, layers, D). In a generator without a mapping network w is z.
    Raises ValueError for w+ of a generator that has one w for all of its layers.
    """

    def __init__(self, generator: LatentGenerator, name: Space) -> None:
        self.generator, self.name = generator, name
        self.layers = layers_of(generator)
        if name == "w+" and not self.layers:
            raise ValueError(
                f"{type(generator).__name__} has one w for all of its layers, and no w+; choose from: z, w"
            )

    @cached_property
    def statistics(self) -> Statistics:
        """Those of w."""
        return statistics_of(self.generator)

    def from_z(self, z: Tensor, label: Tensor | None) -> Tensor:
        """The points of latents z."""
        if self.name == "z":
            return z
        w = self.generator.map(z, label)
        return w[:, 0] if self.layers and self.name == "w" else w

    def to_w(self, points: Tensor, label: Tensor | None) -> Tensor:
        """What the generator's `synthesise` takes for points."""
        if self.name == "z":
            return self.generator.map(points, label)
        return spread(points, self.layers) if self.name == "w" else points

    def synthesise(self, points: Tensor, label: Tensor | None, noise: NoiseMaps) -> Tensor:
        """Generate images from points, with `noise` in place of the generator's own where there is any."""
        return synthesise(self.generator, self.to_w(points, label), label, noise)

    def normalised(self, points: Tensor) -> Tensor:
        """Points of w or w+ less the mean w, in standard deviations."""
        mean, deviation = self.statistics
        return (points - mean) / deviation.clamp_min(_TINY)


def layers_of(generator: LatentGenerator) -> int:
    """Number of layers that have a point w of their own; 0 where there is one point for all."""
    w = _map_seeds(generator, 1)
    return w.shape[1] if w.ndim == 3 else 0


def statistics_of(generator: LatentGenerator, number: int = _DRAWN) -> Statistics:
    """Mean and deviation of w over the seeds from 0 on, of all classes in turn."""
    w = _map_seeds(generator, number)
    w = w[:, 0] if w.ndim == 3 else w
    return Statistics(w.mean(0), w.std(0, unbiased=False))


def spread(w: Tensor, layers: int) -> Tensor:
    """Points w (N, D) for all of the `layers`: (N, layers, D); as they are where layers are 0, or have their own."""
    return w[:, None].expand(-1, layers, -1) if layers and w.ndim == 2 else w


def synthesise(generator: LatentGenerator, w: Tensor, label: Tensor | None, noise: NoiseMaps) -> Tensor:
    """Generate images from points w, with `noise` in place of the generator's own where there is any."""
    if not noise:
        return generator.synthesise(w, label)
    return functional_call(_Synthesis(generator), {f"generator.{name}": map for name, map in noise.items()}, (w, label))


class _Synthesis(nn.Module):
    """A generator's `synthesise` as a module's `forward`, which is what buffers can be replaced for."""

    def __init__(self, generator: LatentGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, w: Tensor, label: Tensor | None) -> Tensor:
        return self.generator.synthesise(w, label)


@torch.no_grad()
def _map_seeds(generator: LatentGenerator, number: int) -> Tensor:
    like = next(generator.parameters(), torch.empty(0))
    z = torch.from_numpy(latents(range(number), generator.latent)).to(like)
    classes = generator.classes
    return generator.map(z, torch.arange(number, device=like.device) % classes if classes else None)
