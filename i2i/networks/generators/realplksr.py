"""The generator that the community trains for real photos after PLKSR: with normed blocks and learned up-sampling.

Lee, Yun, Ro 2024: Partial Large Kernel CNNs for Efficient Super-Resolution, https://arxiv.org/abs/2404.11848, as
changed by neosr, https://github.com/neosr-project/neosr; the layer norm is from traiNNer-redux,
https://github.com/the-database/traiNNer-redux.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from i2i.networks.dysample import DySample
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.plksr import (
    ElementwiseAttention,
    PartialConvolution,
    PLKBlock,
    channel_mixer,
    check_options,
    overlap,
    small_weights,
)
from i2i.recipe.ranges import Blocks, Channels, Features, KernelSize, Layers, Scale, Share
from i2i.registry import did_you_mean, generators

BlockNorm = Literal["group", "layer"]
GROUPS = 4  # of the group norm, in every published network
LAYER_NORM_EPSILON = 1e-6
MOVE = 4  # pixels by which DySample's points leave their pixel in trained networks, at most


@generators.register("realplksr")
class RealPLKSR(ImageGenerator):
    """RealPLKSR (neosr, after Lee 2024): PLKSR with normed blocks and, if `dysample`, up-sampling at learned points.

    Shapes: (N, in_channels, H, W) in [0, 1] -> (N, in_channels, scale * H, scale * W), unbounded around [0, 1]; any H
    and W. `norm` is "group", with `groups` of features over the whole image, or "layer" over the features of a pixel.
    `kernel`, `share` and `attention` are those of `plksr`; the large network of neosr has 96 features.
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
        attention: bool = True,
        norm: BlockNorm = "group",
        groups: Layers = GROUPS,
        dysample: bool = False,
    ) -> None:
        super().__init__()
        check_options(in_channels, out_channels, features=features, scale=scale, kernel=kernel, share=share)
        if norm not in get_args(BlockNorm):
            raise ValueError(f"unknown norm {norm!r}; {did_you_mean(norm, get_args(BlockNorm))}")
        if norm == "group" and features % groups:
            raise ValueError(f"groups = {groups} is refused; allowed: divisors of features = {features}")
        if dysample and in_channels != 3:
            raise ValueError(
                f"in_channels = {in_channels} is refused with dysample; choose from: 3, or dysample = false"
            )
        self.in_channels = self.out_channels = in_channels
        self.scale = scale
        # Group norm sees the whole image.
        by_blocks = overlap(blocks, kernel, mixer=2, attention=attention)
        self.overlap = 0 if norm == "group" and blocks else by_blocks + 2 * MOVE * dysample
        self.stem = small_weights(nn.Conv2d(in_channels, features, 3, padding=1))
        self.blocks = nn.Sequential(*(_block(features, kernel, share, attention, norm, groups) for _ in range(blocks)))
        self.head = small_weights(nn.Conv2d(features, in_channels * scale**2, 3, padding=1))
        self.up = _dysample(in_channels, scale) if dysample else nn.PixelShuffle(scale)

    def forward(self, image: Tensor) -> Tensor:
        # Pixel shuffle of repeated pixels is nearest-neighbour up-sampling.
        return self.up(self.head(self.blocks(self.stem(image))) + image.repeat_interleave(self.scale**2, 1))


class LayerNorm(nn.Module):
    """Layer norm over the features of each pixel, (N, features, H, W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))

    def forward(self, image: Tensor) -> Tensor:
        centred = image - image.mean(1, keepdim=True)
        deviation = centred.square().mean(1, keepdim=True).add(LAYER_NORM_EPSILON).sqrt()
        return self.weight[:, None, None] * (centred / deviation) + self.bias[:, None, None]


def _block(features: int, kernel: int, share: float, attention: bool, norm: BlockNorm, groups: int) -> PLKBlock:
    inner = (
        channel_mixer(features, (3, 3), nn.Mish()),
        PartialConvolution(round(features * share), kernel),
        ElementwiseAttention(features) if attention else nn.Identity(),
        small_weights(nn.Conv2d(features, features, 1)),
    )
    # Layer norm comes first, group norm last.
    return (
        PLKBlock(LayerNorm(features), *inner) if norm == "layer" else PLKBlock(*inner, nn.GroupNorm(groups, features))
    )


def _dysample(channels: int, scale: int) -> DySample:
    """As neosr has it: no 1x1 convolution where the size stays."""
    groups = channels if scale % 2 else 4
    return DySample(channels * scale**2, channels if scale > 1 else None, scale=scale, groups=groups)
