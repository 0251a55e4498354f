"""Metrics of a generator of images from noise itself: of what it does, not of images that it has written."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from i2i.evaluate.pairs import Progress
from i2i.evaluate.path_length import measure_path_length
from i2i.latent.sampler import Sampler
from i2i.metrics.equivariance import LARGEST_SHIFT, SquaredError, rotation_error, translation_error
from i2i.metrics.lpips import Lpips
from i2i.metrics.value import MetricValue
from i2i.networks.generators.stylegan3 import StyleGAN3Generator

# Description of each metric by name.
GENERATOR_METRICS = {
    "eq-t": "how far images move as the input is shifted, in dB (StyleGAN3); higher is better",
    "eq-r": "how far images turn as the input is rotated, in dB (StyleGAN3); higher is better",
    "ppl": "perceptual path length: change of images for a small step between latents; lower is better",
}
_EQUIVARIANCE = ("eq-t", "eq-r")
_BATCH = 4  # latents that share a motion, as published
_ENOUGH = 1000  # latents; the authors take 50,000


def check_generator_metrics(names: Sequence[str], generator: object) -> None:
    """Raises ValueError for a generator whose input cannot be moved."""
    moved = [name for name in names if name in _EQUIVARIANCE]
    if moved and not isinstance(generator, StyleGAN3Generator):
        kind = type(generator).__name__
        raise ValueError(f"{', '.join(moved)}: {kind} has no input that moves; stylegan3 is the generator that has one")


def measure_generator(
    names: Sequence[str],
    sampler: Sampler,
    *,
    samples: int,
    seed: int,
    progress: Callable[[str], Progress],
    lpips: Lpips | None = None,
) -> dict[str, MetricValue]:
    """Measure those of GENERATOR_METRICS with these `names` on `samples` latents, `ppl` by `lpips`. Raises ValueError
    like `check_generator_metrics`.
    """
    check_generator_metrics(names, sampler.generator)
    values: dict[str, MetricValue] = {}
    if "ppl" in names:
        assert lpips is not None, "ppl needs LPIPS"
        values |= measure_path_length(sampler, lpips, paths=samples, seed=seed, progress=progress("paths"))
    for name in [name for name in names if name in _EQUIVARIANCE]:
        random, count = torch.Generator().manual_seed(seed), progress(f"latents moved for {name}")
        errors = []
        for first in range(0, samples, _BATCH):
            seeds = range(first, min(first + _BATCH, samples))
            errors.append(_error(name, sampler, seeds, random))
            count(seeds.stop, samples)
        total = SquaredError(*(sum(each) for each in zip(*errors, strict=True)))
        note = f"of {samples} latents; published figures are of 50,000" * (samples < _ENOUGH)
        values[name.upper()] = MetricValue(total.decibels(), note=note)
    return values


def _error(name: str, sampler: Sampler, seeds: Sequence[int], random: torch.Generator) -> SquaredError:
    generator: StyleGAN3Generator = sampler.generator  # type: ignore[assignment]
    label = torch.tensor(labels, device=sampler.device) if (labels := sampler.labels_of(seeds)) else None
    draws = 2 * torch.rand(2, generator=random) - 1
    with torch.no_grad():
        w = generator.map(sampler.draw(seeds), label)

        def render(motion: Tensor) -> Tensor:
            with generator.moved(motion):
                return generator.synthesise(w, label)

        if name == "eq-r":
            return rotation_error(render, angle=float(draws[0]) * torch.pi)
        x, y = (draws * LARGEST_SHIFT * generator.size).round().int().tolist()
        return translation_error(render, shift=(x, y))
