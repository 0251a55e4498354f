"""Noise of sensors and film grain."""

import numpy as np
import torch
from torch import Tensor

from i2i.data.degradation.noise import LUMA, Noise, add_noise
from i2i.data.degradation.steps.base import DegradationStep, Range, Size, check_range
from i2i.data.degradation.steps.sharpness import gaussian_blur
from i2i.recipe.ranges import Probability
from i2i.registry import degradation_steps


@degradation_steps.register("noise")
class GaussianNoise(DegradationStep):
    """Gaussian noise; `sigma` is a range in grey levels of 255; `grey_probability` of noise equal in all channels."""

    def __init__(
        self, *, sigma: Range = (0.0, 50.0), grey_probability: Probability = 0.0, probability: Probability = 1.0
    ) -> None:
        check_range("noise", "sigma", sigma, 0, 255)
        self.sigma, self.grey_probability, self.probability = sigma, grey_probability, probability

    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        grey = bool(rng.random() < self.grey_probability)
        noise = Noise(gaussian=True, strength=rng.uniform(*self.sigma) / 255, grey=grey)
        return add_noise(image, noise, generator_of(rng, image)).clamp_(0, 1)


@degradation_steps.register("grain")
class FilmGrain(DegradationStep):
    """Film grain: grey noise of clumps, strongest in the middle tones, none in black and white.

    `strength` is a range of its deviation in grey levels of 255 in the middle tones, `size` of the deviation of a clump
    in pixels.
    """

    def __init__(
        self, *, strength: Range = (2.0, 20.0), size: Range = (0.4, 1.5), probability: Probability = 1.0
    ) -> None:
        check_range("grain", "strength", strength, 0, 255)
        check_range("grain", "size", size, 0.01, 20)
        self.strength, self.size, self.probability = strength, size, probability

    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        field = torch.randn(image.shape[-2:], generator=generator_of(rng, image), device=image.device).to(image.dtype)
        clumps = gaussian_blur(field[None], rng.uniform(*self.size))
        clumps = clumps / clumps.std(correction=0).clamp(min=1e-6)
        weights = LUMA if len(image) == 3 else (1.0,)
        luma = sum(weight * plane for weight, plane in zip(weights, image, strict=True))
        tones = 4 * luma * (1 - luma)
        return (image + rng.uniform(*self.strength) / 255 * tones * clumps).clamp_(0, 1)


def generator_of(rng: np.random.Generator, image: Tensor) -> torch.Generator:
    """A generator on the image's device, seeded by the next number of `rng`."""
    return torch.Generator(image.device).manual_seed(int(rng.integers(2**63)))
