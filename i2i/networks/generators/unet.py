"""The U-Net generator of Pix2Pix.

Isola, Zhu, Zhou, Efros 2017: Image-to-Image Translation with Conditional Adversarial Networks, section 6.1.1,
https://arxiv.org/abs/1611.07004.
"""

import math

import torch
from torch import Tensor, nn

from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import (
    Initialisation,
    Norm,
    Upsampling,
    at_least,
    has_bias,
    initialise,
    normalisation,
    upsample,
)
from i2i.recipe.ranges import Channels, Factor, Features, Halvings
from i2i.registry import generators

# The fourth and further down-samplings have 8 * features channels; dropout lies between two such levels.
WIDEST_LEVEL = 3
_LEAST_DEPTH = 2


@generators.register("unet")
class UnetGenerator(ImageGenerator):
    """U-Net (Pix2Pix, Isola 2017): `depth` down-samplings and up-samplings with skip connections between them.

    Shapes: (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in [-1, 1]; H and W multiples of 2 ** depth.
    The published unet_256 has depth 8, unet_128 depth 7.
    """

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        features: Features = 64,
        depth: Halvings = 8,
        norm: Norm = "batch",
        dropout: bool = True,
        upsampling: Upsampling = "transposed",
        init: Initialisation = "normal",
        init_gain: Factor = 0.02,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, out_channels=out_channels, features=features)
        at_least(_LEAST_DEPTH, depth=depth)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.multiple_of = self.min_size = 2**depth
        # A reach of 3 pixels at each level, of 1, 2, 4, ... pixels of the image, half of it on the way up.
        self.frozen_overlap = 2 ** (depth + 2)
        self.overlap = self.frozen_overlap if norm in ("frozen", "none") else 0
        self.batch_independent = norm != "batch"
        bias = has_bias(norm)
        widths = [features * 2 ** min(level, WIDEST_LEVEL) for level in range(depth)]
        innermost = depth - 1

        self.stem = nn.Conv2d(in_channels, features, 4, stride=2, padding=1, bias=bias)
        self.down = nn.Sequential()
        for level in range(1, depth):
            level_norm: Norm = "none" if level == innermost else norm
            self.down.append(_down(widths[level - 1], widths[level], bias, level_norm))
        self.up = nn.Sequential()
        for level in range(innermost, 0, -1):
            # All levels but the innermost take the skip connection beside the map from below.
            width = widths[level] if level == innermost else 2 * widths[level]
            up_convolution = upsample(width, widths[level - 1], kernel=4, bias=bias, upsampling=upsampling)
            level_dropout = dropout and WIDEST_LEVEL < level < innermost
            self.up.append(_up(up_convolution, normalisation(norm, widths[level - 1]), level_dropout))
        up_convolution = upsample(2 * features, out_channels, kernel=4, bias=True, upsampling=upsampling)
        self.head = nn.Sequential(nn.ReLU(), up_convolution, nn.Tanh())
        initialise(self, init, init_gain)

    def check_size(self, height: int, width: int) -> None:
        try:
            super().check_size(height, width)
        except ValueError as error:
            fitting = (math.gcd(height, width) & -math.gcd(height, width)).bit_length() - 1
            if fitting < _LEAST_DEPTH:
                raise
            raise ValueError(f"{error}; to train at this size, set method.generator.depth={fitting}") from None

    def forward(self, image: Tensor) -> Tensor:
        levels = [self.stem(image)]
        for down in self.down:
            levels.append(down(levels[-1]))
        *skips, image = levels
        for up in self.up:
            image = torch.cat([skips.pop(), up(image)], dim=1)
        return self.head(image)

    def feature_layers(self) -> list[nn.Module]:
        """The convolutions that halve the size, each with the activation before it and the norm after it."""
        return [self.stem, *self.down]


def _down(outer: int, inner: int, bias: bool, norm: Norm) -> nn.Sequential:
    convolution = nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=bias)
    return nn.Sequential(nn.LeakyReLU(0.2), convolution, normalisation(norm, inner))


def _up(up_convolution: nn.Module, norm: nn.Module, dropout: bool) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), up_convolution, norm, nn.Dropout(0.5) if dropout else nn.Identity())
