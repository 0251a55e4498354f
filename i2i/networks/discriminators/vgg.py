"""The discriminator of SRGAN and ESRGAN: a VGG-like stack of convolutions, one logit for the whole image.

Ledig et al. 2017: Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, section 2.1.1,
https://arxiv.org/abs/1609.04802; in the form of BasicSR, with which ESRGAN was published,
https://github.com/XPixelGroup/BasicSR.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from i2i.networks.discriminators.base import LAST_SIZE, FixedSizeDiscriminator
from i2i.networks.layers import at_least
from i2i.registry import discriminators

HIDDEN = 100  # width between the linear layers


@discriminators.register("vgg")
class VGGDiscriminator(FixedSizeDiscriminator):
    """At every size down to 4x4 a 3x3 and a strided 4x4 convolution with batch norm, then two linear layers to a logit.

    Shapes: (N, in_channels, size, size) in any range -> logits (N, 1); `size` is a power of two, at least 32.
    Published for 128 and 256 pixels. Weights start as PyTorch's do, as published.
    """

    batch_independent = False

    def __init__(self, *, in_channels: int = 3, size: int = 128, features: int = 64) -> None:
        super().__init__(size)
        at_least(1, in_channels=in_channels, features=features)
        self.in_channels = in_channels
        widths = [features * 2 ** min(level, 3) for level in range(self.halvings)]

        # No norm at the input layer.
        first = nn.Sequential(nn.Conv2d(in_channels, features, 3, padding=1), nn.LeakyReLU(0.2, inplace=True))
        self.stem = nn.Sequential(first, _down(features))
        self.blocks = nn.Sequential(
            *(nn.Sequential(_normed(nn.Conv2d(*pair, 3, padding=1, bias=False)), _down(pair[1]))
              for pair in pairwise(widths))
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(widths[-1] * LAST_SIZE**2, HIDDEN),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(HIDDEN, 1),
        )

    def each(self, *batches: Tensor) -> list[Tensor]:
        for batch in batches:
            self.check_size(*batch.shape[-2:])
        if batches[0].device.type != "cpu":
            return super().each(*batches)
        # The deep layers have far more weights than pixels: a processor waits for the weights, so they are read once
        # for all batches, here and on the way back.
        sizes, seen = [len(batch) for batch in batches], [self.stem(batch) for batch in batches]
        for layer in (module for module in self.blocks.modules() if not any(module.children())):
            if isinstance(layer, nn.Conv2d) and layer.weight.numel() > sum(batch.numel() for batch in seen):
                seen = list(layer(torch.cat(seen)).split(sizes))
            else:
                seen = [layer(batch) for batch in seen]
        return [self.head(batch) for batch in seen]

    def forward(self, image: Tensor) -> Tensor:
        self.check_size(*image.shape[-2:])
        return self.head(self.blocks(self.stem(image)))


def _down(width: int) -> nn.Sequential:
    return _normed(nn.Conv2d(width, width, 4, stride=2, padding=1, bias=False))


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.LeakyReLU(0.2, inplace=True))
