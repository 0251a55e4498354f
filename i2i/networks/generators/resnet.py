"""The ResNet generator of CycleGAN.

Johnson, Alahi, Li 2016: Perceptual Losses for Real-Time Style Transfer and Super-Resolution,
https://arxiv.org/abs/1603.08155.
Zhu, Park, Isola, Efros 2017: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
appendix 7.2, https://arxiv.org/abs/1703.10593.
"""

from collections.abc import Iterator

from torch import Tensor, nn

from i2i.networks.antialiasing import AntialiasedDownsample, AntialiasedUpsample
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import (
    Initialisation,
    Norm,
    Upsampling,
    at_least,
    clamp_to_range,
    has_bias,
    initialise,
    normalisation,
    upsample,
)
from i2i.recipe.ranges import Blocks, Channels, Factor, Features
from i2i.registry import generators


@generators.register("resnet")
class ResnetGenerator(ImageGenerator):
    """ResNet (Johnson 2016; CycleGAN, Zhu 2017): residual blocks between two down-samplings and two up-samplings.

    Shapes: (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in [-1, 1]; H and W multiples of 4, at least 8.
    CycleGAN uses 6 blocks for 128x128 images and 9 from 256x256 on. CUT's (Park 2020) is anti-aliased both ways: its
    down-samplings are convolutions with stride 1 and a filter behind them, its up-samplings a filter and a convolution.
    `residual` adds the result to the image, so that training starts near the identity (Kupyn et al. 2018, DeblurGAN,
    section 3.2, https://arxiv.org/abs/1711.07064).
    """

    multiple_of = 4
    min_size = 8  # The blocks reflect one pixel at a quarter of the size, which needs two.

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        features: Features = 64,
        blocks: Blocks = 9,
        norm: Norm = "instance",
        dropout: bool = False,
        upsampling: Upsampling = "transposed",
        antialias_down: bool = False,
        antialias_up: bool = False,
        residual: bool = False,
        init: Initialisation = "normal",
        init_gain: Factor = 0.02,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, out_channels=out_channels, features=features)
        at_least(0, blocks=blocks)
        if antialias_up and upsampling != "transposed":
            raise ValueError(f"antialias_up takes the place of upsampling = {upsampling}; leave one of them out")
        if residual and in_channels != out_channels:
            raise ValueError(
                f"residual: the result is added to the image, but {in_channels} channels are to become {out_channels}; "
                "set it to false"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.residual = residual
        # A 7x7 convolution reaches 3 pixels, a 3x3 one 1 pixel of its feature map, which is 1, 2 or 4 of the image.
        more = 3 * antialias_down + 6 * antialias_up + 3 * (upsampling == "resize")
        self.frozen_overlap = 2 * (3 + 3 + 8 * blocks + 3 + 3 + more)
        self.overlap = self.frozen_overlap if norm in ("frozen", "none") else 0
        self.batch_independent = norm != "batch"
        bias = has_bias(norm)

        def normed(convolution: nn.Module, width: int) -> nn.Sequential:
            return nn.Sequential(convolution, normalisation(norm, width), nn.ReLU(inplace=True))

        def down(width: int) -> nn.Sequential:
            stride = 1 if antialias_down else 2
            layers = normed(nn.Conv2d(width, 2 * width, 3, stride=stride, padding=1, bias=bias), 2 * width)
            return layers.append(AntialiasedDownsample()) if antialias_down else layers

        def up(width: int) -> nn.Sequential:
            if antialias_up:
                convolution = nn.Conv2d(2 * width, width, 3, padding=1, bias=bias)
                return normed(convolution, width).insert(0, AntialiasedUpsample())
            return normed(upsample(2 * width, width, kernel=3, bias=bias, upsampling=upsampling), width)

        stem = nn.Conv2d(in_channels, features, 7, bias=bias)
        self.stem = nn.Sequential(nn.ReflectionPad2d(3), normed(stem, features))
        self.down = nn.Sequential(down(features), down(2 * features))
        self.blocks = nn.Sequential(*(ResidualBlock(4 * features, norm, dropout) for _ in range(blocks)))
        self.up = nn.Sequential(up(2 * features), up(features))
        self.head = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(features, out_channels, 7), nn.Tanh())
        initialise(self, init, init_gain)

    def forward(self, image: Tensor) -> Tensor:
        result = self.head(self.up(self.blocks(self.down(self.stem(image)))))
        # Twice, so that white can become black.
        return clamp_to_range(image + 2 * result) if self.residual else result

    def feature_layers(self) -> Iterator[nn.Module]:
        """Layers in the order and number of the authors' flat list, of which CUT takes 0, 4, 8, 12 and 16. They are
        others in the anti-aliased network, whose filters count.
        """
        pad, stem = self.stem
        yield pad
        for part in (stem, *self.down):
            yield from part
        yield from self.blocks
        for part in (*self.up, self.head):
            yield from part


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to their input, of the same shape; no ReLU after the sum."""

    def __init__(self, features: int, norm: Norm, dropout: bool) -> None:
        super().__init__()
        bias = has_bias(norm)
        self.residual = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(features, features, 3, bias=bias),
            normalisation(norm, features),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5) if dropout else nn.Identity(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(features, features, 3, bias=bias),
            normalisation(norm, features),
        )

    def forward(self, image: Tensor) -> Tensor:
        return image + self.residual(image)
