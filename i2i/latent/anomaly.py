"""Anomaly detection with a GAN: an image that its generator cannot reconstruct is unlike the training images.

Schlegl, Seeböck, Waldstein, Schmidt-Erfurth, Langs 2017: Unsupervised Anomaly Detection with Generative Adversarial
Networks to Guide Marker Discovery (AnoGAN), sections 2.2 and 2.3, https://arxiv.org/abs/1703.05921. Sums over pixels
and features are means here, so that scores of images of different sizes can be compared.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from i2i import registry
from i2i.checkpoints import run as checkpoint
from i2i.devices import choose_device
from i2i.latent.distances import Distance, weighted
from i2i.latent.invert import invert
from i2i.latent.sampler import Sampler
from i2i.latent.sampler import load as load_sampler
from i2i.methods.base import Method
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.value_range import ValueRange
from i2i.recipe import RECIPE, load_run
from i2i.recipe.components import build
from i2i_runtime.images import with_channels, write

FEATURE_WEIGHT = 0.1  # lambda, section 3
_BRIGHTEST = 0.5  # residual of the brightest colour, in units of the value range


class Anomaly(NamedTuple):
    """Anomaly scores of N images: `score` = (1 - weight) * `residual` + weight * `feature`, each (N,), higher for
    anomalies; the `map` (N, size, size) of residuals in [0, 1]; and the reconstructions `images` (N, C, size, size).
    """

    score: Tensor
    residual: Tensor
    feature: Tensor
    map: Tensor
    images: Tensor


class AnomalyScorer:
    """A generator and its discriminator as a measure of anomaly; both are moved to `device`, put into eval mode and
    frozen.

    `weight` (lambda) is the share of the discriminator's features; `steps` and `restarts` are as in `invert`.
    """

    def __init__(
        self,
        generator: LatentGenerator,
        discriminator: Discriminator,
        *,
        device: torch.device | str = "cpu",
        weight: float = FEATURE_WEIGHT,
        steps: int = 200,
        restarts: int = 2,
    ) -> None:
        if not 0 <= weight <= 1:
            raise ValueError(f"weight of features {weight:g} is refused; allowed: 0 to 1")
        self.generator = Sampler(generator, device=device).generator
        self.device = torch.device(device)
        self._weight, self._steps, self._restarts = weight, steps, restarts
        self._residual = _residual_distance(generator.value_range)
        self._feature = feature_distance(discriminator.eval().requires_grad_(False).to(self.device))

    def __call__(
        self,
        images: Tensor,
        *,
        seed: int = 0,
        label: int | None = None,
        progress: Callable[[int, int], None] = lambda step, steps: None,
    ) -> Anomaly:
        """Score images (N, C, size, size) in the generator's range; `label` is their class, by default the likeliest.

        The same images always get the same scores. `progress` is as in `invert`, which raises ValueError.
        """
        images = images.to(self.device)
        found = invert(
            self.generator,
            images,
            random=torch.Generator().manual_seed(seed),
            label=label,
            distance=weighted((1 - self._weight, self._residual), (self._weight, self._feature)),
            steps=self._steps,
            restarts=self._restarts,
            progress=progress,
        )
        with torch.no_grad():
            residual = self._residual(found.images, images, found.labels)
            feature = self._feature(found.images, images, found.labels)
        residuals = (found.images - images).abs().mean(1) / ValueRange(*self.generator.value_range).width
        score = (1 - self._weight) * residual + self._weight * feature
        return Anomaly(score, residual, feature, residuals.clamp(0, 1), found.images)


def write_maps(
    folder: Path, names: Sequence[Path], images: Tensor, found: Anomaly, value_range: tuple[float, float]
) -> None:
    """Write a PNG for each name: the image, its reconstruction, and a heat map of the residuals, from black to bright
    yellow at half the value range.
    """
    pixels = [ValueRange(*value_range).to_pixels(each) for each in (images, found.images)]
    levels = (found.map.cpu() * (255 / _BRIGHTEST)).clamp(0, 255).byte().numpy()
    for at, name in enumerate(names):
        heat = cv2.cvtColor(cv2.applyColorMap(levels[at], cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
        file = folder / name.with_suffix(".png")
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, np.hstack([*(with_channels(each[at], 3) for each in pixels), heat]))


def load(
    run: Path, *, device: str = "auto", weight: float = FEATURE_WEIGHT, steps: int = 200, restarts: int = 2
) -> AnomalyScorer:
    """Load a scorer from a run or one of its checkpoints, which hold both networks. Raises ValueError."""
    if checkpoint.follow(run).is_file():
        raise ValueError(f"{run}: holds only a generator; name the run, whose checkpoints hold the discriminator too")
    sampler = load_sampler(run, device=device)
    return AnomalyScorer(
        sampler.generator,
        load_discriminator(run),
        device=choose_device(device),
        weight=weight,
        steps=steps,
        restarts=restarts,
    )


def load_discriminator(run: Path) -> Discriminator:
    """Load the discriminator of a run or checkpoint. Raises ValueError where there is none."""
    saved = checkpoint.find(run)
    run_folder = saved.parent.parent
    if not (run_folder / RECIPE).is_file():
        raise ValueError(
            f"{run_folder / RECIPE}: no such file, without which no discriminator can be built; name a whole run"
        )
    method: Method = build(registry.methods, load_run(run_folder).method)
    method.load_state_dict(checkpoint.load_state(saved)["method"])
    discriminators = method.networks(Discriminator)
    if len(discriminators) != 1:
        raise ValueError(f"{run}: its method has {len(discriminators)} discriminators; scores need exactly one")
    return discriminators[0]


def feature_distance(discriminator: Discriminator) -> Distance:
    """Mean absolute difference of the discriminator's last hidden activations."""

    def distance(fake: Tensor, target: Tensor, labels: Tensor | None) -> Tensor:
        with torch.no_grad():
            expected = last_activations(discriminator, target, labels)
        return (last_activations(discriminator, fake, labels) - expected).abs().flatten(1).mean(1)

    return distance


def last_activations(discriminator: Discriminator, images: Tensor, labels: Tensor | None = None) -> Tensor:
    """The input (N, ...) of the last layer with weights, convolution or linear, of a discriminator in eval mode.

    Each image is a batch of its own, so that minibatch layers do not mix them. Raises ValueError for a discriminator
    without a `head`.
    """
    layer = _last_layer(discriminator)

    def of_one(image: Tensor, label: Tensor | None) -> Tensor:
        given: list[Tensor] = []
        with layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0])):
            discriminator(image[None], *() if label is None else (label[None],))
        return given[0][0]

    return torch.func.vmap(of_one, in_dims=(0, None if labels is None else 0))(images, labels)


def _last_layer(discriminator: Discriminator) -> nn.Module:
    layer = dict(discriminator.named_children()).get("head")
    if layer is None:
        raise ValueError(f"{type(discriminator).__name__}: has no layer `head`, whose input anomalies are scored by")
    while inner := [child for name, child in layer.named_children() if name != "parametrizations"]:
        layer = inner[-1]
    return layer


def _residual_distance(value_range: tuple[float, float]) -> Distance:
    """Mean absolute difference of pixels in [0, 1]."""
    width = ValueRange(*value_range).width
    return lambda fake, target, labels: (fake - target).abs().flatten(1).mean(1) / width
