"""A ResNet of depthwise separable convolutions.

Howard et al. 2017: MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, section 3.1,
https://arxiv.org/abs/1704.04861.
Li, Lin, Ding, Liu, Zhu, Han 2020: GAN Compression: Efficient Architectures for Interactive Conditional GANs, section
3.2, https://arxiv.org/abs/2003.08936: they replace the 3x3 convolutions of a ResNet's blocks at little loss.
"""

from torch import Tensor, nn

from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import at_least, initialise
from i2i.recipe.ranges import Blocks, Channels, Features
from i2i.registry import generators

_FACTOR = 4  # by which the blocks' maps are smaller than the image


@generators.register("mobile-resnet")
class MobileResnet(ImageGenerator):
    """Mobile ResNet (after GAN Compression, Li 2020): residual blocks of depthwise separable convolutions, no norm.

    Shapes: (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in [-1, 1]; H and W multiples of 4. All
    `blocks` work at a quarter of the size, which the image reaches and leaves by pixel shuffle; where the channels
    allow it the result is added to the image.
    """

    multiple_of = min_size = _FACTOR

    def __init__(
        self, *, in_channels: Channels = 3, out_channels: Channels = 3, features: Features = 64, blocks: Blocks = 6
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, out_channels=out_channels, features=features)
        at_least(0, blocks=blocks)
        self.in_channels, self.out_channels = in_channels, out_channels
        # Radius in pixels: each 3x3 convolution adds 4, and a pixel depends on all of its block of 4.
        self.overlap = 2 * (_FACTOR * (2 + 2 * blocks) + _FACTOR - 1)
        stem = nn.Conv2d(_FACTOR**2 * in_channels, features, 3, padding=1)
        self.stem = nn.Sequential(nn.PixelUnshuffle(_FACTOR), stem, nn.ReLU())
        self.blocks = nn.Sequential(*(SeparableBlock(features) for _ in range(blocks)))
        head = nn.Conv2d(features, _FACTOR**2 * out_channels, 3, padding=1)
        self.head = nn.Sequential(head, nn.PixelShuffle(_FACTOR), nn.Tanh())
        initialise(self, "kaiming")
        for block in self.blocks:
            nn.init.zeros_(block.get_submodule("residual.4").get_parameter("weight"))  # no norm keeps their sum small
        nn.init.normal_(head.weight, 0.0, 0.004)  # starts near the image

    def forward(self, image: Tensor) -> Tensor:
        result = self.head(self.blocks(self.stem(image)))
        # Twice, so that white can become black.
        return (image + 2 * result).clamp(-1, 1) if self.in_channels == self.out_channels else result


class SeparableBlock(nn.Module):
    """Two depthwise separable 3x3 convolutions added to their input, of the same shape; a ReLU between them."""

    def __init__(self, features: int) -> None:
        super().__init__()
        depthwise = (nn.Conv2d(features, features, 3, padding=1, groups=features) for _ in range(2))
        pointwise = (nn.Conv2d(features, features, 1) for _ in range(2))
        self.residual = nn.Sequential(next(depthwise), next(pointwise), nn.ReLU(), next(depthwise), next(pointwise))

    def forward(self, image: Tensor) -> Tensor:
        return image + self.residual(image)
