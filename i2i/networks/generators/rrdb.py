"""The generator of ESRGAN and Real-ESRGAN: residual-in-residual dense blocks (RRDB).

Wang, Yu, Wu, Gu, Liu, Dong, Loy, Qiao, Tang 2018: ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks,
section 3.1, https://arxiv.org/abs/1809.00219.
Wang, Xie, Dong, Shan 2021: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data,
section 3.4 (pixel-unshuffle), https://arxiv.org/abs/2107.10833.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import at_least
from i2i.recipe.ranges import Blocks, Channels, Features
from i2i.registry import generators

Scale = Literal[1, 2, 3, 4, 8]

RESIDUAL_SCALE = 0.2  # beta in figure 4
INITIAL_SCALE = 0.1  # "smaller initialization", section 3.1
CONVOLUTIONS = 5  # of a dense block
DENSE_BLOCKS = 3  # of a residual-in-residual block
BEYOND_BLOCKS = 4  # pixels that the convolutions outside of the blocks add to the receptive field, at most
# Radius of the effective receptive field in pixels at the size of the blocks, measured on x4plus, whose 23 blocks have
# one of 349 in theory, and on its version for anime with 6 blocks.
EFFECTIVE_RADIUS = 56
PUBLISHED_UNSHUFFLE = {1: 4, 2: 2}  # Real-ESRGAN's factor of pixel-unshuffle by scale; other scales have none


@generators.register("rrdb")
class RRDBNet(ImageGenerator):
    """RRDB (ESRGAN, Wang 2018): residual-in-residual dense blocks, then nearest-neighbour up-sampling and convolution.

    Shapes: (N, in_channels, H, W) in [0, 1] -> (N, out_channels, scale * H, scale * W), unbounded around [0, 1].
    `unshuffle` moves squares of 2x2 or 4x4 pixels into channels, and the blocks work at a half or a quarter of the
    size: H and W are multiples of that factor, any without. `true` is Real-ESRGAN's factor: 2 at scale 2, 4 at scale 1,
    none at others.
    The published networks have 23 blocks, the one for anime 6.
    """

    value_range = (0.0, 1.0)
    keeps_grey = True

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        features: Features = 64,
        blocks: Blocks = 23,
        growth: Features = 32,
        scale: Scale = 4,
        unshuffle: bool | Literal[2, 4] = True,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, out_channels=out_channels, features=features, blocks=blocks, growth=growth)
        if scale not in get_args(Scale):
            raise ValueError(f"scale = {scale} is refused; choose from: {', '.join(map(str, get_args(Scale)))}")
        if unshuffle not in (False, True, 2, 4):
            raise ValueError(f"unshuffle = {unshuffle} is refused; choose from: true, false, 2, 4")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.scale = scale
        factor = PUBLISHED_UNSHUFFLE.get(scale, 1) if unshuffle is True else int(unshuffle) or 1
        self.multiple_of = self.min_size = factor
        self.overlap = (
            2 * self.multiple_of * min(EFFECTIVE_RADIUS, DENSE_BLOCKS * CONVOLUTIONS * blocks + BEYOND_BLOCKS)
        )

        self.unshuffle = nn.PixelUnshuffle(self.multiple_of) if self.multiple_of > 1 else nn.Identity()
        self.stem = _convolution(in_channels * self.multiple_of**2, features)
        self.blocks = nn.Sequential(*(ResidualInResidualBlock(features, growth) for _ in range(blocks)))
        self.trunk = _convolution(features, features)
        factors = _upsampling_factors(scale * self.multiple_of)
        self.up = nn.Sequential(*(UpsamplingConvolution(features, factor) for factor in factors))
        self.head = nn.Sequential(_convolution(features, features), _activation(), _convolution(features, out_channels))

    def forward(self, image: Tensor) -> Tensor:
        shallow = self.stem(self.unshuffle(image))
        return self.head(self.up(shallow + self.trunk(self.blocks(shallow))))


class ResidualInResidualBlock(nn.Module):
    """Dense blocks whose scaled output is added to their input, of the same shape."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(*(DenseBlock(features, growth) for _ in range(DENSE_BLOCKS)))

    def forward(self, image: Tensor) -> Tensor:
        return torch.add(image, self.residual(image), alpha=RESIDUAL_SCALE)


class DenseBlock(nn.Module):
    """Convolutions that each take all earlier maps; the last one's scaled output is added to the input."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        widths = [growth] * (CONVOLUTIONS - 1) + [features]
        self.convolutions = nn.Sequential(
            *(_with_small_weights(_convolution(features + level * growth, width)) for level, width in enumerate(widths))
        )
        self.activation = _activation()

    def forward(self, image: Tensor) -> Tensor:
        *inner, last = self.convolutions
        maps = [image]
        for convolution in inner:
            maps.append(self.activation(convolution(torch.cat(maps, dim=1))))
        return torch.add(image, last(torch.cat(maps, dim=1)), alpha=RESIDUAL_SCALE)


class UpsamplingConvolution(nn.Sequential):
    """Nearest-neighbour up-sampling by `factor`, a 3x3 convolution and its activation.

    Shapes: (N, features, H, W) -> (N, features, factor * H, factor * W).
    In training the first two are one transposed convolution: the weights that meet copies of the same pixel are summed
    first, which for a factor of 2 takes 2.25 times fewer multiplications.
    """

    def __init__(self, features: int, factor: int) -> None:
        upsampling = nn.Upsample(scale_factor=factor, mode="nearest")
        super().__init__(upsampling, _convolution(features, features), _activation())
        self.factor = factor

    def forward(self, image: Tensor) -> Tensor:
        if not self.training:
            return super().forward(image)
        _, convolution, activation = self
        assert isinstance(convolution, nn.Conv2d)
        weight = F.pad(convolution.weight, [self.factor - 1] * 4)
        weight = F.avg_pool2d(weight, self.factor, stride=1, divisor_override=1)  # sums
        weight = weight.transpose(0, 1).flip(2, 3)
        return activation(F.conv_transpose2d(image, weight, convolution.bias, stride=self.factor, padding=1))


def _convolution(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1)


def _with_small_weights(convolution: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(convolution.weight, a=0, mode="fan_in")
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    with torch.no_grad():
        convolution.weight.mul_(INITIAL_SCALE)
    return convolution


def _activation() -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True)


def _upsampling_factors(scale: int) -> list[int]:
    """Factors of the up-samplings one after another, whose product is `scale`: twos, after a three where it has one."""
    return [3] * (scale % 3 == 0) + [2] * ((scale & -scale).bit_length() - 1)
