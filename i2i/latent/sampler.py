"""A trained generator of images from noise as a function of seeds.

from i2i.latent import sampler
images = sampler.load("runs/dcgan/faces/latest")(range(16), truncation=0.7)  # uint8 (16, H, W, C)
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i.checkpoints.card import checksum
from i2i.checkpoints.load import load_latent
from i2i.devices import choose_device
from i2i.latent.space import NO_NOISE, NoiseMaps, synthesise
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.layers import set_test_time
from i2i.networks.value_range import ValueRange
from i2i_runtime.seeds import check_seeds, labels_of, latents

GAP = 2  # pixels, between the images of a grid


class Sampler:
    """A generator as a function of seeds, whole numbers from 0. An image depends on its own seed, label and truncation,
    not on the rest of its batch nor on the device, up to rounding to the next grey level.

    The generator is moved to `device`, put into eval mode and frozen.
    """

    engine = "torch"

    def __init__(self, generator: LatentGenerator, *, device: torch.device | str = "cpu") -> None:
        self.device, self.provider = torch.device(device), str(device)
        self.generator = set_test_time(generator, "eval").requires_grad_(False).to(self.device)

    @property
    def classes(self) -> int:
        """Number of classes; 0: it takes no labels."""
        return self.generator.classes

    @property
    def weights(self) -> str:
        """Checksum of the weights."""
        return checksum(self.generator)

    def __call__(
        self, seeds: Sequence[int], labels: Sequence[int] | None = None, *, truncation: float = 1.0
    ) -> NDArray[np.uint8]:
        """Generate (N, size, size, out_channels), an image for each seed; `labels` are by default those of `labels_of`.

        A `truncation` from 0 to 1 trades variety for typical images. Raises ValueError for a seed, label or truncation
        out of its range.
        """
        labels = self.labels_of(seeds) if labels is None else labels
        w = self.map(self.draw(seeds, truncation=truncation), labels, truncation=truncation)
        return self.picture(w, labels)

    def labels_of(self, seeds: Sequence[int], label: int | None = None) -> list[int]:
        """The class of each seed: `label`, or all classes in turn; empty without classes. Raises ValueError for a label
        that the generator does not have.
        """
        return labels_of(seeds, label, self.classes)

    def draw(self, seeds: Sequence[int], *, truncation: float = 1.0) -> Tensor:
        """The latents z of seeds, (N, latent). Raises ValueError for a seed or truncation out of its range."""
        check_seeds(seeds, truncation)
        # With linear points `map` truncates, towards their mean.
        cut = 1.0 if self.generator.linear else truncation
        return torch.from_numpy(latents(seeds, self.generator.latent, truncation=cut)).to(self.device)

    def map(self, z: Tensor, labels: Sequence[int], *, truncation: float = 1.0) -> Tensor:
        """Map latents to points w (N, ...)."""
        with torch.inference_mode():
            return self.generator.map(z, self._label_tensor(labels), truncation=truncation)

    def picture(self, w: Tensor, labels: Sequence[int], noise: NoiseMaps = NO_NOISE) -> NDArray[np.uint8]:
        """Generate the images (N, size, size, out_channels) of points w, with `noise` in place of the generator's."""
        with torch.inference_mode():
            images = synthesise(self.generator, w, self._label_tensor(labels), noise)
            return ValueRange(*self.generator.value_range).to_pixels(images)

    def _label_tensor(self, labels: Sequence[int]) -> Tensor | None:
        return torch.tensor(labels, device=self.device) if self.generator.classes else None


def load(path: str | Path, *, product: str | None = None, device: str = "auto") -> Sampler:
    """Load the generator of a run, a checkpoint folder or a file as a sampler. Raises ValueError, also for a generator
    of images from images.
    """
    generator, _ = load_latent(path, product)
    return Sampler(generator, device=choose_device(device))


def check_label(generator: LatentGenerator, label: int | None) -> None:
    """Raises ValueError for a class that the generator does not have."""
    labels_of([], label, generator.classes)


def grid(pictures: NDArray[np.uint8], *, columns: int) -> NDArray[np.uint8]:
    """Arrange images (N, H, W, C) in rows of `columns`, as one (rows * (H + GAP) - GAP, columns * (W + GAP) - GAP, C)
    with white gaps.
    """
    number, height, width, channels = pictures.shape
    rows, height, width = -(-number // columns), height + GAP, width + GAP
    cells = np.full((rows * columns, height, width, channels), 255, np.uint8)
    cells[:number, :-GAP, :-GAP] = pictures
    lines = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return lines.reshape(rows * height, columns * width, channels)[:-GAP, :-GAP]
