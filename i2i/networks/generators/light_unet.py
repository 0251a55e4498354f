"""A light U-Net for real time.

Pasios, Nikolaidis 2026: HyPER-GAN: Hybrid Patch-Based Image-to-Image Translation for Real-Time Photorealism
Enhancement, https://arxiv.org/abs/2603.10604: three halvings, four residual blocks, skip connections.
Shi et al. 2016: Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
Network, https://arxiv.org/abs/1609.05158: no convolution at full size.
"""

import torch
from torch import Tensor, nn

from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import at_least, clamp_to_range, initialise
from i2i.recipe.ranges import Blocks, Channels, Features
from i2i.registry import generators


@generators.register("light-unet")
class LightUnet(ImageGenerator):
    """Light U-Net (after HyPER-GAN, Pasios 2026): few channels, three halvings, and no norm, so that it takes tiles.

    Shapes: (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in [-1, 1]; H and W multiples of 8. `features`
    are the channels at half the size, of which there are twice and four times as many at a quarter and an eighth, where
    the `blocks` residual blocks are. Unlike the paper's, sizes change by pixel shuffle and strided 3x3 convolutions,
    and where the channels allow it the result is added to the image.
    """

    multiple_of = min_size = 8

    def __init__(
        self, *, in_channels: Channels = 3, out_channels: Channels = 3, features: Features = 32, blocks: Blocks = 4
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, out_channels=out_channels, features=features)
        at_least(0, blocks=blocks)
        self.in_channels, self.out_channels = in_channels, out_channels
        # Radius in pixels: a convolution at 1/n of the size adds n, and a pixel depends on all of its block of 8.
        self.overlap = 2 * ((2 + 2 + 4) + 16 * blocks + (8 + 4 + 2) + 7)
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), _convolution(4 * in_channels, features), nn.ReLU())
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(width, 2 * width, stride=2), nn.ReLU()) for width in (features, 2 * features)
        )
        self.blocks = nn.Sequential(*(ResidualBlock(4 * features) for _ in range(blocks)))
        # The maps of the skip connection double the channels of all but the innermost.
        self.up = nn.ModuleList(
            nn.Sequential(_convolution(4 * features, 4 * width), nn.PixelShuffle(2), nn.ReLU())
            for width in (2 * features, features)
        )
        self.head = nn.Sequential(_convolution(2 * features, 4 * out_channels), nn.PixelShuffle(2), nn.Tanh())
        initialise(self, "kaiming")
        for block in self.blocks:
            nn.init.zeros_(block.get_submodule("residual.2").get_parameter("weight"))  # no norm keeps their sum small
        nn.init.normal_(self.head[0].get_parameter("weight"), 0.0, 0.004)  # starts near the image

    def forward(self, image: Tensor) -> Tensor:
        half = self.stem(image)
        quarter = self.down[0](half)
        inner = self.blocks(self.down[1](quarter))
        inner = torch.cat([self.up[0](inner), quarter], dim=1)
        inner = torch.cat([self.up[1](inner), half], dim=1)
        result = self.head(inner)
        # Twice, so that white can become black.
        return clamp_to_range(image + 2 * result) if self.in_channels == self.out_channels else result


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to their input, of the same shape; no norm, and no ReLU after the sum."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(_convolution(features, features), nn.ReLU(), _convolution(features, features))

    def forward(self, image: Tensor) -> Tensor:
        return image + self.residual(image)


def _convolution(before: int, after: int, *, stride: int = 1) -> nn.Module:
    return nn.Conv2d(before, after, 3, stride=stride, padding=1)
