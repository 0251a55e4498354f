"""Methods whose products make images from images."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.data.batch import PAIRED, image_fields
from i2i.losses.adversarial import Logits
from i2i.methods.base import Method, Outputs, mean_logits
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import ImageGenerator


class Direction(NamedTuple):
    """Two fields of a sample: the one that a product takes, and the one that its images are to look like."""

    source: str
    target: str


class Translation(Method):
    """A method on images of two domains: samples are a `Pair`, `PairAndReal`, `Unpaired`, or
    `LabelledUnpaired`."""

    default_recipe: ClassVar[Mapping[str, Any]] = {
        "augment": {
            "train": {"resize": {"size": 286}, "crop": {"size": 256}, "flip": {}},
            "test": {"resize": {"size": 256}},
        }
    }

    @abstractmethod
    def products(self) -> Mapping[str, ImageGenerator]: ...

    def directions(self) -> Mapping[str, Direction]:
        """Direction of each product; its name has no meaning.

        By default a product makes the second field from the first, and of two products on unpaired images the second
        one goes back. Raises ValueError where there are more: they need a `directions` of their own.
        """
        there = Direction(*image_fields(self.batch))
        back = Direction(there.target, there.source)
        names = list(self.products())
        if len(names) > (1 if self.batch in PAIRED else 2):
            raise ValueError(
                f"{type(self).__name__}.directions is missing: which way {', '.join(names)} go is not known"
            )
        return dict(zip(names, (there, back), strict=False))

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each image of a sample, in the order of the batch's images."""
        products: Mapping[str, ImageGenerator] = self.products()
        channels: dict[str, int] = {}
        for name, (source, target) in self.directions().items():
            channels |= {source: products[name].in_channels, target: products[name].out_channels}
        return tuple(channels[field] for field in image_fields(self.batch))

    @property
    def scale(self) -> int:
        """Size of a target in sizes of its source."""
        return next(iter(self.products().values())).scale

    def check_size(self, *sizes: tuple[int, int]) -> None:
        """Every generator among the players must take the sources, every discriminator the targets."""
        size_of = dict(zip(image_fields(self.batch), sizes, strict=True))
        for source in {direction.source for direction in self.directions().values()}:
            for generator in self.networks(ImageGenerator):
                generator.check_size(*size_of[source])
        for target in {direction.target for direction in self.directions().values()}:
            for discriminator in self.networks(Discriminator):
                discriminator.check_size(*size_of[target])

    def preview(self, held_out: Sequence[Any], products: Mapping[str, nn.Module]) -> list[dict[str, Tensor]]:
        """Columns of each row: a source, its translation, and on pairs the target, for each product."""
        return [self._row(batch, products) for batch in held_out]

    def _row(self, batch: Any, products: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        row: dict[str, Tensor] = {}
        for name, (source, target) in self.directions().items():
            image = getattr(batch, source)
            row[source] = F.interpolate(image, scale_factor=self.scale, mode="nearest") if self.scale > 1 else image
            row[name.replace("_", " ") if len(products) > 1 else "fake"] = products[name](image)
            if self.batch in PAIRED:
                row[target] = getattr(batch, target)
        return row

    def outputs(self, held_out: Sequence[Any], products: Mapping[str, nn.Module]) -> dict[str, Outputs]:
        outputs = {}
        for name, (source, target) in self.directions().items():
            sources, real = ([getattr(batch, field) for batch in held_out] for field in (source, target))
            fake = [products[name](image) for image in sources]
            logits = partial(self.logits, name)
            fake_logits, real_logits = (mean_logits(map(logits, sources, images)) for images in (fake, real))
            outputs[name] = Outputs(fake, real, fake_logits, real_logits)
        return outputs

    def logits(self, product: str, source: Tensor, image: Tensor) -> Logits:
        """Logits of a product's translation of `source`, or of a real image in its place, for the log; None where there
        is no discriminator.
        """
        return None

    def score(self, held_out: Sequence[Any], products: Mapping[str, nn.Module]) -> Tensor | None:
        """Mean absolute error on pairs; None on unpaired images, whose targets are not known."""
        if self.batch not in PAIRED:
            return None
        errors = [
            F.l1_loss(products[name](getattr(batch, source)), getattr(batch, target)).float()
            for name, (source, target) in self.directions().items()
            for batch in held_out
        ]
        return torch.stack(errors).mean()


def require_same_size(generator: ImageGenerator) -> None:
    """Raises ValueError for a generator that enlarges images: these translations are as large as their sources."""
    if generator.scale != 1:
        name = type(generator).__name__
        raise ValueError(f"method.generator: {name} enlarges {generator.scale} times; a translation needs scale 1")
