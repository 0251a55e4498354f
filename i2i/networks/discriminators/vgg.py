"""The discriminator of SRGAN and ESRGAN.

Ledig et al. 2017: Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, section 2.1.1,
https://arxiv.org/abs/1609.04802; in the form of BasicSR, with which ESRGAN was published,
https://github.com/XPixelGroup/BasicSR.
"""

from itertools import pairwise

from torch import Tensor, nn

from i2i.networks.discriminators.base import LAST_SIZE, FixedSizeDiscriminator
from i2i.networks.layers import at_least
from i2i.recipe.ranges import Channels, Features, Pixels
from i2i.registry import discriminators

HIDDEN = 100  # width between the linear layers


@discriminators.register("vgg")
class VGGDiscriminator(FixedSizeDiscriminator):
    """SRGAN (Ledig 2017): a VGG-like stack of convolutions, then two linear layers to a logit.

    At every size down to 4x4 there are a 3x3 and a strided 4x4 convolution with batch norm.

    Shapes: (N, in_channels, size, size) in any range -> logits (N, 1); `size` is a power of two, at least 32.
    Published for 128 and 256 pixels. Weights start as PyTorch's do, as published.
    """

    def __init__(self, *, in_channels: Channels = 3, size: Pixels = 128, features: Features = 64) -> None:
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

    def forward(self, image: Tensor) -> Tensor:
        self.check_size(*image.shape[-2:])
        return self.head(self.blocks(self.stem(image)))


def _down(width: int) -> nn.Sequential:
    return _normed(nn.Conv2d(width, width, 4, stride=2, padding=1, bias=False))


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.LeakyReLU(0.2, inplace=True))
