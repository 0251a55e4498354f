"""The compact generator of Real-ESRGAN's small and video models (SRVGGNetCompact).

Wang, Xie, Dong, Shan 2021: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data,
https://arxiv.org/abs/2107.10833; the network came with its code, https://github.com/xinntao/Real-ESRGAN.
"""

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import UpscalerInit, at_least, initialise, starts_from_nearest
from i2i.recipe.ranges import Blocks, Channels, Features, Scale
from i2i.registry import did_you_mean, generators

Activation = Literal["prelu", "relu", "leakyrelu"]


@generators.register("srvgg")
class SRVGGNet(ImageGenerator):
    """SRVGGNetCompact (Real-ESRGAN, Wang 2021): plain 3x3 convolutions at the size of the input, then pixel shuffle.

    The result is added to the input, up-sampled by nearest neighbour.

    Shapes: (N, in_channels, H, W) in [0, 1] -> (N, in_channels, scale * H, scale * W), unbounded around [0, 1]; any H
    and W. `convolutions` are those between the first and the last; the published video model has 16, the general one
    32.

    With `init` "random", as published, PyTorch's initial weights let the signal fade from layer to layer. With
    "nearest" they are Kaiming's, and 0 in the last convolution: the network starts from the up-sampled input, and 250
    steps of 24 features and 8 convolutions give 26.8 dB on Set5 instead of 24.6.
    """

    value_range = (0.0, 1.0)
    keeps_grey = True

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        features: Features = 64,
        convolutions: Blocks = 16,
        scale: Scale = 4,
        activation: Activation = "prelu",
        init: UpscalerInit = "random",
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, features=features, convolutions=convolutions, scale=scale)
        if out_channels != in_channels:
            raise ValueError(
                f"out_channels = {out_channels} is refused; allowed: in_channels = {in_channels}, "
                "since the network adds to its input"
            )
        self.in_channels = self.out_channels = in_channels
        self.scale = scale
        self.overlap = 2 * (convolutions + 2)  # each convolution adds one pixel to the radius of the receptive field
        self.stem = _activated_convolution(in_channels, features, activation)
        self.body = nn.Sequential(
            *(_activated_convolution(features, features, activation) for _ in range(convolutions))
        )
        self.head = nn.Conv2d(features, in_channels * scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)
        if starts_from_nearest(init):
            initialise(self, "kaiming")
            nn.init.zeros_(self.head.weight)

    def forward(self, image: Tensor) -> Tensor:
        detail = self.shuffle(self.head(self.body(self.stem(image))))
        return detail + F.interpolate(image, scale_factor=self.scale, mode="nearest")


def _activated_convolution(before: int, after: int, activation: Activation) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), _activation(activation, after))


def _activation(activation: Activation, features: int) -> nn.Module:
    match activation:
        case "prelu":
            return nn.PReLU(features)
        case "relu":
            return nn.ReLU(inplace=True)
        case "leakyrelu":
            return nn.LeakyReLU(0.1, inplace=True)
        case _:
            raise ValueError(f"unknown activation {activation!r}; {did_you_mean(activation, get_args(Activation))}")
