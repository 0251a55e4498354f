"""Methods whose product makes images from noise."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from i2i.data.batch import Images
from i2i.methods.base import Method, Outputs
from i2i.metrics.sliced_wasserstein import sliced_wasserstein_distance
from i2i.networks.generators.base import LatentGenerator
from i2i_runtime.seeds import latents

_COLUMNS = 8  # of a sample sheet


class Generation(Method):
    """A method on images of one square `size` in pixels, and of `classes` classes; 0: it is given no labels."""

    batch = Images
    size: int
    classes: int

    @abstractmethod
    def products(self) -> Mapping[str, LatentGenerator]: ...

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return next(iter(self.products().values())).out_channels

    def label_or_none(self, label: Tensor) -> Tensor | None:
        """Labels as the networks take them: None where there are no classes."""
        return label if self.classes else None

    def check_size(self, *sizes: tuple[int, int]) -> None:
        for height, width in sizes:
            if (height, width) != (self.size, self.size):
                raise ValueError(
                    f"images of height {height} and width {width}, but method.size = {self.size}; augmentations must "
                    "keep the size"
                )

    def preview(self, held_out: Sequence[Images], products: Mapping[str, nn.Module]) -> list[dict[str, Tensor]]:
        """Columns of each row: a real image, and samples of its class, from the same latents every time."""
        rows = []
        for row, (image, label) in enumerate(held_out):
            fakes = self._samples(products, label.expand(_COLUMNS - 1), first_seed=row * (_COLUMNS - 1))
            rows.append({"real": image} | {f"{number}": fake for number, fake in enumerate(fakes.split(1))})
        return rows

    def score(self, held_out: Sequence[Images], products: Mapping[str, nn.Module]) -> Tensor | None:
        """Sliced Wasserstein distance over several scales, between the held-out images and as many samples."""
        real, label = (torch.cat(field) for field in zip(*held_out, strict=True))
        return sliced_wasserstein_distance(self._samples(products, label), real)

    def outputs(self, held_out: Sequence[Images], products: Mapping[str, nn.Module]) -> dict[str, Outputs]:
        real, label = (torch.cat(field) for field in zip(*held_out, strict=True))
        fake = self._samples(products, label)
        labels = label.tolist() if self.classes else ()
        return {next(iter(products)): Outputs(list(fake.split(1)), list(real.split(1)), labels=labels)}

    def _samples(self, products: Mapping[str, nn.Module], label: Tensor, *, first_seed: int = 0) -> Tensor:
        name, generator = next(iter(self.products().items()))
        z = torch.from_numpy(latents(range(first_seed, first_seed + len(label)), generator.latent)).to(label.device)
        return products[name](z, self.label_or_none(label))
