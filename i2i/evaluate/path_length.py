"""Perceptual path length of a generator from noise."""

import torch
from torch import Tensor

from i2i.evaluate.pairs import Progress
from i2i.latent.latent_file import of_seeds
from i2i.latent.sampler import Sampler
from i2i.latent.space import LatentSpace
from i2i.latent.walk import lerp, slerp
from i2i.metrics.lpips import Lpips
from i2i.metrics.perceptual_path_length import EPSILON, path_lengths, perceptual_path_length
from i2i.metrics.value import MetricValue
from i2i.networks.value_range import ValueRange

_BATCH = 16
_ENOUGH = 10_000  # paths; the papers take 50,000


def measure_path_length(
    sampler: Sampler, lpips: Lpips, *, paths: int, seed: int, progress: Progress
) -> dict[str, MetricValue]:
    """Perceptual path length over `paths` between samples of one class, at random places of them: along lines in w,
    where points w are `linear`, else along arcs in z; by its full name.
    """
    random, lengths = torch.Generator().manual_seed(seed), []
    for begin in range(0, paths, _BATCH):
        lengths.append(_lengths(sampler, lpips, range(begin, min(begin + _BATCH, paths)), seed, random))
        progress(min(begin + _BATCH, paths), paths)
    value = perceptual_path_length(torch.cat(lengths))
    space = "w" if sampler.generator.linear else "z"
    note = f"over {paths} paths in {space}: compare it at equal counts only" * (paths < _ENOUGH)
    return {f"PPL-{space}({lpips.name})": value._replace(note=note)}


def _lengths(sampler: Sampler, lpips: Lpips, paths: range, seed: int, random: torch.Generator) -> Tensor:
    seeds = [seed + 2 * path for path in paths]
    labels = sampler.labels_of(seeds)
    near = torch.rand(len(paths), 1, generator=random, dtype=torch.float64)
    between = lerp if sampler.generator.linear else slerp
    legs = [
        [latent.point.cpu().double() for latent in of_seeds(sampler, [each + other for each in seeds], labels)]
        for other in (0, 1)
    ]
    points = [
        torch.cat([between(start, end, at) for start, end, at in zip(*legs, fractions, strict=True)])
        for fractions in (near, near + EPSILON)
    ]
    label = torch.tensor(labels, device=sampler.device) if labels else None
    space = LatentSpace(sampler.generator, "w" if sampler.generator.linear else "z")

    def generate(points: Tensor) -> Tensor:
        with torch.inference_mode():
            images = space.synthesise(points.float().to(sampler.device), label, {})
            return ValueRange(*sampler.generator.value_range).to_unit(images).expand(-1, 3, -1, -1)

    return path_lengths(generate, lpips, *points)
