"""The generator of PLKSR: one large kernel over a part of the channels.

Lee, Yun, Ro 2024: Partial Large Kernel CNNs for Efficient Super-Resolution, https://arxiv.org/abs/2404.11848, and its
code, https://github.com/dslisleedh/PLKSR.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import at_least
from i2i.recipe.ranges import Blocks, Channels, Features, KernelSize, Scale, Share
from i2i.registry import did_you_mean, generators

Mixer = Literal["ccm", "iccm", "dccm"]
# Sides of the kernels of a mixer's two convolutions (figure 3): one is 3x3, the other, or the inverse, or both.
MIXERS: dict[Mixer, tuple[int, int]] = {"ccm": (3, 1), "iccm": (1, 3), "dccm": (3, 3)}
DEVIATION = 0.02  # of most initial weights, as published


@generators.register("plksr")
class PLKSR(ImageGenerator):
    """PLKSR (Lee 2024): blocks with a large kernel over a part of the channels, then pixel shuffle.

    The result is added to the input, up-sampled by nearest neighbour.

    Shapes: (N, in_channels, H, W) in [0, 1] -> (N, in_channels, scale * H, scale * W), unbounded around [0, 1]; any H
    and W. `mixer` has a 3x3 convolution and a 1x1 one ("ccm"), the inverse ("iccm") or two 3x3 ones ("dccm"); the
    `kernel` (its side in pixels, odd) is applied to `share` of the features. PLKSR as published are the defaults with
    mixer "dccm"; PLKSR-tiny has 12 blocks, kernel 13, and no attention.
    """

    value_range = (0.0, 1.0)
    keeps_grey = True

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        features: Features = 64,
        blocks: Blocks = 28,
        scale: Scale = 4,
        kernel: KernelSize = 17,
        share: Share = 0.25,
        mixer: Mixer = "dccm",
        attention: bool = True,
    ) -> None:
        super().__init__()
        check_options(in_channels, out_channels, features=features, scale=scale, kernel=kernel, share=share)
        if mixer not in MIXERS:
            raise ValueError(f"unknown mixer {mixer!r}; {did_you_mean(mixer, get_args(Mixer))}")
        self.in_channels = self.out_channels = in_channels
        self.scale = scale
        self.overlap = overlap(blocks, kernel, sum(side // 2 for side in MIXERS[mixer]), attention=attention)
        self.stem = small_weights(nn.Conv2d(in_channels, features, 3, padding=1))
        self.blocks = nn.Sequential(
            *(
                PLKBlock(
                    channel_mixer(features, MIXERS[mixer], nn.GELU()),
                    PartialConvolution(round(features * share), kernel),
                    ElementwiseAttention(features) if attention else nn.Identity(),
                    small_weights(nn.Conv2d(features, features, 1)),
                )
                for _ in range(blocks)
            )
        )
        self.head = small_weights(nn.Conv2d(features, in_channels * scale**2, 3, padding=1))
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, image: Tensor) -> Tensor:
        detail = self.shuffle(self.head(self.blocks(self.stem(image))))
        return detail + F.interpolate(image, scale_factor=self.scale, mode="nearest")


class PLKBlock(nn.Module):
    """Layers one after another, whose result is added to their input, of the same shape."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.residual = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        return image + self.residual(image)


class PartialConvolution(nn.Module):
    """A large convolution of the first `channels`; the others pass."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.channels = channels
        self.convolution = small_weights(nn.Conv2d(channels, channels, kernel, padding=kernel // 2))

    def forward(self, image: Tensor) -> Tensor:
        part, rest = image[:, : self.channels], image[:, self.channels :]
        return torch.cat([self.convolution(part), rest], 1)


class ElementwiseAttention(nn.Module):
    """Features weighed by the sigmoid of their 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = small_weights(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        return image * torch.sigmoid(self.convolution(image))


def channel_mixer(features: int, sides: tuple[int, int], activation: nn.Module) -> nn.Sequential:
    """Two convolutions with kernels of these `sides`, twice as wide in between."""
    first, second = sides
    return nn.Sequential(
        nn.Conv2d(features, 2 * features, first, padding=first // 2),
        activation,
        small_weights(nn.Conv2d(2 * features, features, second, padding=second // 2)),
    )


def small_weights(convolution: nn.Conv2d) -> nn.Conv2d:
    """The convolution, with initial weights as published."""
    nn.init.trunc_normal_(convolution.weight, std=DEVIATION)
    return convolution


def overlap(blocks: int, kernel: int, mixer: int, *, attention: bool) -> int:
    """Twice the radius of the receptive field in pixels; `mixer` is that of the channel mixer."""
    return 2 * (blocks * (mixer + kernel // 2 + attention) + 2)  # 2: first and last convolution


def check_options(in_channels: int, out_channels: int, *, features: int, scale: int, kernel: int, share: float) -> None:
    """Raises ValueError for options that make no network."""
    at_least(1, in_channels=in_channels, features=features, scale=scale, kernel=kernel)
    if out_channels != in_channels:
        raise ValueError(
            f"out_channels = {out_channels} is refused; allowed: in_channels = {in_channels}, "
            "since the network adds to its input"
        )
    if not kernel % 2:
        raise ValueError(f"kernel = {kernel} is refused; allowed: odd numbers of pixels")
    if not 1 <= round(features * share) <= features:
        raise ValueError(f"share = {share:g} of {features} features is refused; allowed: from 1 feature to all")
