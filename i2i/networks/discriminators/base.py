"""The contract of a discriminator: images in, logits out."""

from typing import Any

import torch
from torch import Tensor, nn

from i2i.networks.augmentation.base import Augmentation

SMALLEST_SIZE = 32
LAST_SIZE = 4  # pixels of the map at which a discriminator of fixed size ends


class Discriminator(nn.Module):
    """A network from images to logits; a subclass sets the attributes that differ from the defaults below.

    Shapes: (N, in_channels, H, W) -> logits of any shape that starts with N, high for real, without a sigmoid; of
    several scales a tuple of them, which count the same. H and W are at least `min_size` pixels, which `check_size`
    checks. A conditional discriminator has the channels of both images, which the method concatenates, the condition
    first. With `classes` it takes labels int64 (N,) as well. Its first layer is called `stem`, the blocks after it
    `blocks`, and the last layers `head`, whose input is what anomalies are scored by.
    """

    in_channels: int
    classes: int = 0  # 0: it takes no labels
    min_size: int = 1
    scales: int = 1  # whose logits and features count the same
    has_features: bool = False  # whether it has a method `features`
    frozen_blocks: int = 0  # see `freeze`
    augmentation: Augmentation | None  # of what it sees in training

    def __init__(self) -> None:
        super().__init__()
        self.augmentation = None

    def __call__(self, image: Tensor, *labels: Tensor) -> Any:
        if self.augmentation is not None and self.training:
            image = self.augmentation(image)
        return super().__call__(image, *labels)

    def features(self, image: Tensor) -> list[Tensor]:
        """Activations of the hidden layers, as many for each of the `scales`; only where it `has_features`."""
        raise ValueError(f"{type(self).__name__} gives no features")

    def matched_features(self, *images: Tensor) -> list[list[Tensor]]:
        """Features of batches of images that are compared with one another, augmented alike."""
        if self.augmentation is not None and self.training:
            images = self.augmentation(torch.cat(images), copies=len(images)).chunk(len(images))
        return [self.features(each) for each in images]

    def blocks_in_order(self) -> list[nn.Module]:
        """The blocks that features pass one after another, from the image on, without the last layers."""
        children = dict(self.named_children())
        first, blocks = children.get("stem"), children.get("blocks", nn.Sequential())
        return [*([] if first is None else [first]), *blocks.children()]

    def freeze(self, count: int) -> None:
        """Freeze the weights of the first `count` blocks, those nearest the image, in training (Freeze-D, Mo, Cho, Shin
        2020, https://arxiv.org/abs/2002.10964). Raises ValueError where there are not as many.
        """
        blocks = self.blocks_in_order()
        if not 0 <= count <= len(blocks):
            raise ValueError(
                f"method.freeze_discriminator = {count} is refused: {type(self).__name__} has {len(blocks)} blocks in "
                f"order before its last layers; choose from: 0 to {len(blocks)}"
            )
        self.frozen_blocks = count
        for block in blocks[:count]:
            block.requires_grad_(False)

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError if the network can't take images of this size, in pixels."""
        if min(height, width) < self.min_size:
            raise ValueError(
                f"{type(self).__name__} can't judge images of height {height} and width {width}; "
                f"both must be at least {self.min_size}"
            )


class FixedSizeDiscriminator(Discriminator):
    """A discriminator of square images of one size, with `halvings` strided convolutions down to 4x4 and one logit."""

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < SMALLEST_SIZE or size & (size - 1):
            raise ValueError(f"size = {size} is refused; allowed: a power of two, {SMALLEST_SIZE} or more")
        self.size = self.min_size = size
        self.halvings = (size // LAST_SIZE).bit_length() - 1

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError for any other size."""
        if (height, width) != (self.size, self.size):
            raise ValueError(
                f"{type(self).__name__} of size {self.size} can't judge images of height {height} and width {width}; "
                f"resize or crop them to {self.size}x{self.size}, or set its option size"
            )
