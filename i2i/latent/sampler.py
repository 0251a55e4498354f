"""Images from noise: a trained generator as a function of seeds.

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
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.layers import set_test_time
from i2i.networks.value_range import ValueRange
from i2i_runtime.seeds import check_seeds, labels_of, latents

GAP = 2  # pixels, between the images of a grid


class Sampler:
    """A generator that is asked by seeds, whole numbers from 0. An image depends on its own seed, label and truncation
    alone: not on those it is made with, nor on the device (where batches of other sizes, and other devices, add up in
    another order, a value may round to the next grey level).

    The generator is made ready for use and for good: on `device`, in eval mode, its weights constants.
    """

    def __init__(self, generator: LatentGenerator, *, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.generator = set_test_time(generator, "eval").requires_grad_(False).to(self.device)

    @property
    def classes(self) -> int:
        """How many it has; 0: it takes no labels."""
        return self.generator.classes

    @property
    def weights(self) -> str:
        """The checksum of the weights."""
        return checksum(self.generator)

    def __call__(
        self, seeds: Sequence[int], labels: Sequence[int] | None = None, *, truncation: float = 1.0
    ) -> NDArray[np.uint8]:
        """(N, size, size, out_channels), one image for each seed; `labels` are by default those of `labels_of`.

        A `truncation` from 0 to 1 trades variety for typical images. Raises ValueError for what can't be asked.
        """
        labels = self.labels_of(seeds) if labels is None else labels
        w = self.map(self.draw(seeds, truncation=truncation), labels, truncation=truncation)
        return self.picture(w, labels)

    def labels_of(self, seeds: Sequence[int], label: int | None = None) -> list[int]:
        """The class of each seed: `label`, or all classes in turn. Empty where the generator has no classes.

        Raises ValueError for a label that it doesn't have.
        """
        return labels_of(seeds, label, self.classes)

    def draw(self, seeds: Sequence[int], *, truncation: float = 1.0) -> Tensor:
        """The latents z of seeds, (N, latent). Raises ValueError for a truncation or a seed that can't be."""
        check_seeds(seeds, truncation)
        # Where points are on lines, `map` draws them towards their mean instead.
        cut = 1.0 if self.generator.linear else truncation
        return torch.from_numpy(latents(seeds, self.generator.latent, truncation=cut)).to(self.device)

    def map(self, z: Tensor, labels: Sequence[int], *, truncation: float = 1.0) -> Tensor:
        """The points w (N, ...) of latents."""
        with torch.inference_mode():
            return self.generator.map(z, self._told(labels), truncation=truncation)

    def picture(self, w: Tensor, labels: Sequence[int]) -> NDArray[np.uint8]:
        """The images (N, size, size, out_channels) of points w."""
        with torch.inference_mode():
            return ValueRange(*self.generator.value_range).to_pixels(self.generator.synthesise(w, self._told(labels)))

    def _told(self, labels: Sequence[int]) -> Tensor | None:
        return torch.tensor(labels, device=self.device) if self.generator.classes else None


def load(path: str | Path, *, product: str | None = None, device: str = "auto") -> Sampler:
    """The generator of a run, a checkpoint folder or a file, ready to be sampled.

    Raises ValueError, also for a generator that makes images from images.
    """
    generator, _ = load_latent(path, product)
    return Sampler(generator, device=choose_device(device))


def check_label(generator: LatentGenerator, label: int | None) -> None:
    """Raises ValueError for a class that the generator doesn't have."""
    labels_of([], label, generator.classes)


def grid(pictures: NDArray[np.uint8], *, columns: int) -> NDArray[np.uint8]:
    """(N, H, W, C) side by side in rows of `columns`, as one (rows * (H + GAP) - GAP, columns * (W + GAP) - GAP, C);
    gaps, and places left over, are white.
    """
    number, height, width, channels = pictures.shape
    rows, height, width = -(-number // columns), height + GAP, width + GAP
    cells = np.full((rows * columns, height, width, channels), 255, np.uint8)
    cells[:number, :-GAP, :-GAP] = pictures
    lines = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return lines.reshape(rows * height, columns * width, channels)[:-GAP, :-GAP]
