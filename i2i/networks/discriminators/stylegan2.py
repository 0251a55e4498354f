"""The discriminator of StyleGAN2.

Karras, Laine, Aittala, Hellsten, Lehtinen, Aila 2020: Analyzing and Improving the Image Quality of StyleGAN, section
4.1 and appendix B, https://arxiv.org/abs/1912.04958.
"""

import math
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from i2i.networks.discriminators.base import FixedSizeDiscriminator
from i2i.networks.gan_layers import MinibatchStandardDeviation
from i2i.networks.layers import at_least
from i2i.networks.stylegan2_layers import (
    FIRST_SIZE,
    Blur,
    EqualisedConv,
    EqualisedLinear,
    FilteredDownsample,
    Mapping,
    ScaledLeakyReLU,
    widths,
)
from i2i.recipe.ranges import Channels, Classes, Factor, Features, FeaturesTimesSize, Layers, Pixels
from i2i.registry import discriminators


@discriminators.register("stylegan2")
class StyleGAN2Discriminator(FixedSizeDiscriminator):
    """StyleGAN2 (Karras 2020): residual blocks with filtered down-sampling, and minibatch standard deviation.

    The blocks end at 4x4; the standard deviation within groups of `group` images is appended there, and two fully
    connected layers follow.

    Shapes: (N, in_channels, size, size), and labels int64 (N,) with `classes` -> logits (N, 1); `size` is a power of
    two, at least 32. Maps of S pixels have base / S channels, at most `features`. Blocks of the `architecture` "plain"
    have no shortcut, as published for CIFAR-10. With `classes` the logit is the inner
    product of the last features with the mapped label (a projection, Miyato and Koyama 2018,
    https://arxiv.org/abs/1802.05637), as in ADA (Karras et al. 2020, https://arxiv.org/abs/2006.06676).
    """

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        size: Pixels = 256,
        classes: Classes = 0,
        features: Features = 512,
        base: FeaturesTimesSize = 16384,
        group: Features = 4,
        architecture: Literal["residual", "plain"] = "residual",
        mapping_layers: Layers = 8,
        mapping_lr: Factor = 0.01,
    ) -> None:
        super().__init__(size)
        at_least(1, in_channels=in_channels)
        at_least(0, classes=classes)
        self.in_channels, self.classes = in_channels, classes
        channels = widths(size, base=base, features=features)
        last = channels[0]
        self.stem = nn.Sequential(EqualisedConv(in_channels, channels[-1], 1), ScaledLeakyReLU())
        has_skip = architecture == "residual"
        self.blocks = nn.Sequential(*(DownsamplingBlock(*pair, skip=has_skip) for pair in pairwise(reversed(channels))))
        self.head = nn.Sequential(
            MinibatchStandardDeviation(group=group),
            EqualisedConv(last + 1, last, 3, padding=1),
            ScaledLeakyReLU(),
            nn.Flatten(),
            EqualisedLinear(last * FIRST_SIZE**2, last),
            ScaledLeakyReLU(),
            EqualisedLinear(last, last if classes else 1),
        )
        self.mapping = (
            Mapping(latent=0, classes=classes, width=last, layers=mapping_layers, rate=mapping_lr) if classes else None
        )

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        self.check_size(*image.shape[-2:])
        logits = self.head(self.blocks(self.stem(image)))
        if self.mapping is None:
            return logits
        point = self.mapping(None, label)
        return (logits * point).sum(1, keepdim=True) / math.sqrt(point.shape[1])


class DownsamplingBlock(nn.Module):
    """Two 3x3 convolutions that end at half the size; with `skip` a residual block, with a 1x1 convolution as shortcut.

    Shapes: (N, inputs, S, S) -> (N, outputs, S / 2, S / 2).
    """

    def __init__(self, inputs: int, outputs: int, *, skip: bool = True) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            EqualisedConv(inputs, inputs, 3, padding=1),
            ScaledLeakyReLU(),
            Blur(padding=2),
            EqualisedConv(inputs, outputs, 3, stride=2),
            ScaledLeakyReLU(),
        )
        shortcut = nn.Sequential(FilteredDownsample(), EqualisedConv(inputs, outputs, 1, bias=False)) if skip else None
        self.skip = shortcut

    def forward(self, features: Tensor) -> Tensor:
        if self.skip is None:
            return self.residual(features)
        return (self.residual(features) + self.skip(features)) / math.sqrt(2)
