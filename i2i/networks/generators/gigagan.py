"""The upsampler of GigaGAN, without text.

Kang, Zhu, Zhang, Park, Shechtman, Paris, Park 2023: Scaling up GANs for Text-to-Image Synthesis, sections 3.1, 3.2 and
3.4, https://arxiv.org/abs/2303.05511.
Zhao, Cui, Sheng, Dong, Liang, Chang, Xu 2021: Large Scale Image Completion via Co-Modulated Generative Adversarial
Networks, section 3.2 (a style from the image), https://arxiv.org/abs/2103.10428.
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.discriminators.stylegan2 import DownsamplingBlock
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.gigagan_layers import AdaptiveConv, L2Attention
from i2i.networks.layers import at_least
from i2i.networks.modulated import ToRGB
from i2i.networks.stylegan2_layers import EqualisedConv, Mapping, ScaledLeakyReLU
from i2i.recipe.ranges import Blocks, Channels, Factor, Features, Halvings, Layers
from i2i.registry import generators

Scale = Literal[2, 4, 8]

_FEWEST_FEATURES = 8  # of the largest maps


@generators.register("gigagan")
class GigaGANUpsampler(ImageGenerator):
    """GigaGAN's upsampler (Kang 2023, section 3.4): an asymmetric U-Net of adaptive kernels, with self-attention.

    Shapes: (N, in_channels, H, W) in [0, 1] -> (N, in_channels, scale * H, scale * W), unbounded around [0, 1]; H and W
    multiples of 2 ** depth. There are `depth` halvings, `features` channels at the size of the image, twice as many at
    each halving up to `most_features`, and half as many at each doubling beyond. The `attention` innermost levels have
    self-attention. Every 3x3 convolution of the way up has a bank of `kernels`. Each size adds an image to the enlarged
    one of the size before, the first to the input, whose enlargement is what training starts from.

    There is no text, so the style w is mapped from the mean of the innermost features, as by co-modulation, and the
    network has no noise: one image has one result. Attention and style see the whole image, so it takes no tiles.
    """

    value_range = (0.0, 1.0)

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        scale: Scale = 4,
        features: Features = 64,
        most_features: Features = 512,
        depth: Halvings = 3,
        attention: Blocks = 1,
        kernels: Blocks = 4,
        style: Features = 512,
        mapping_layers: Layers = 4,
        mapping_lr: Factor = 0.01,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, features=features, most_features=most_features, depth=depth, style=style)
        if scale not in get_args(Scale):
            raise ValueError(f"scale = {scale} is refused; choose from: {', '.join(map(str, get_args(Scale)))}")
        if in_channels != out_channels:
            raise ValueError(f"out_channels = {out_channels} is refused; allowed: in_channels = {in_channels}")
        if not 0 <= attention <= depth:
            raise ValueError(f"attention = {attention} is refused; allowed: from 0 to depth = {depth}")
        self.in_channels, self.out_channels, self.scale = in_channels, out_channels, scale
        self.multiple_of = self.min_size = 2**depth
        inner = [min(features * 2**level, most_features) for level in range(depth + 1)]
        doublings = scale.bit_length() - 1
        outer = [max(features >> level, _FEWEST_FEATURES) for level in range(1, doublings + 1)]

        self.stem = EqualisedConv(in_channels, inner[0], 3, padding=1)
        self.down = nn.ModuleList(DownsamplingBlock(inner[level], inner[level + 1]) for level in range(depth))
        self.mapping = Mapping(latent=inner[-1], classes=0, width=style, layers=mapping_layers, rate=mapping_lr)
        self.middle = AdaptiveBlock(inner[-1], inner[-1], style=style, kernels=kernels, attention=attention > 0)
        self.up = nn.ModuleList(
            UpsamplingBlock(
                inner[level + 1],
                inner[level],
                skip=inner[level],
                style=style,
                kernels=kernels,
                attention=depth - level < attention,
            )
            for level in reversed(range(depth))
        )
        self.beyond = nn.ModuleList(
            UpsamplingBlock(before, after, skip=0, style=style, kernels=kernels, attention=False)
            for before, after in zip([inner[0], *outer], outer, strict=False)
        )
        self.to_rgb = nn.ModuleList(ToRGB(width, out_channels, style=style) for width in [inner[0], *outer])
        for layer in self.to_rgb:
            nn.init.zeros_(layer.get_parameter("convolution.weight"))

    def forward(self, image: Tensor) -> Tensor:
        levels = [self.stem(2 * image - 1)]
        for down in self.down:
            levels.append(down(levels[-1]))
        *skips, features = levels
        w = self.mapping(features.mean((2, 3)), None)
        features = self.middle(features, w)
        for up in self.up:
            features = up(features, w, skips.pop())
        to_rgb, *later = self.to_rgb
        image = image + to_rgb(features, w)
        for up, to_rgb in zip(self.beyond, later, strict=True):
            features = up(features, w)
            image = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False) + to_rgb(features, w)
        return image


class AdaptiveBlock(nn.Module):
    """A residual block of two adaptive convolutions, then self-attention where it has that.

    Shapes: features (N, inputs, H, W) and w (N, style) -> (N, outputs, H, W).
    """

    def __init__(self, inputs: int, outputs: int, *, style: int, kernels: int, attention: bool) -> None:
        super().__init__()
        self.first = AdaptiveConv(inputs, outputs, style=style, kernels=kernels)
        self.second = AdaptiveConv(outputs, outputs, style=style, kernels=kernels)
        self.shortcut = EqualisedConv(inputs, outputs, 1, bias=False)
        self.activation = ScaledLeakyReLU()
        self.attention = L2Attention(outputs) if attention else nn.Identity()

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        residual = self.activation(self.first(features, w))
        residual = self.activation(self.second(residual, w))
        return self.attention((self.shortcut(features) + residual) / math.sqrt(2))


class UpsamplingBlock(nn.Module):
    """Up-sampling to twice the size by pixel shuffle, then an `AdaptiveBlock` that also sees the `skip` channels of a
    skip connection.

    Shapes: features (N, inputs, H, W), w (N, style) and (N, skip, 2 * H, 2 * W) -> (N, outputs, 2 * H, 2 * W).
    """

    def __init__(self, inputs: int, outputs: int, *, skip: int, style: int, kernels: int, attention: bool) -> None:
        super().__init__()
        self.upsampling = nn.Sequential(EqualisedConv(inputs, 4 * outputs, 1), nn.PixelShuffle(2))
        with torch.no_grad():
            # The four pixels of one start equal, which gives no checkerboard (https://arxiv.org/abs/1707.02937).
            weight = self.upsampling.get_submodule("0").get_parameter("weight")
            weight.copy_(weight[::4].repeat_interleave(4, dim=0))
        self.block = AdaptiveBlock(outputs + skip, outputs, style=style, kernels=kernels, attention=attention)

    def forward(self, features: Tensor, w: Tensor, *skip: Tensor) -> Tensor:
        return self.block(torch.cat([self.upsampling(features), *skip], dim=1), w)
