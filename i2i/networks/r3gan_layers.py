"""Layers of R3GAN's networks: residual blocks of grouped convolutions, without norms.

Huang, Gokaslan, Kuleshov, Tompkin 2024: The GAN is dead; long live the GAN! A Modern GAN Baseline, section 3 and
appendix, https://arxiv.org/abs/2501.05441; numbers of the authors' code, https://github.com/brownvc/R3GAN.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.layers import at_least

_SLOPE = 0.2
_GAIN = math.sqrt(2 / (1 + _SLOPE**2))  # of leaky ReLU: it is in the starting weights, not in the activation
_LINEAR_LAYERS = 3  # of a block


def scaled_normal(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Conv2d | nn.Linear:
    """Draw a layer's weight from N(0, gain ** 2 / fan-in), in place; returns the layer."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    return layer


def pointwise(inputs: int, outputs: int, gain: float = 1.0) -> nn.Module:
    """A 1x1 convolution without a bias."""
    return scaled_normal(nn.Conv2d(inputs, outputs, 1, bias=False), gain)


class BiasedLeakyReLU(nn.Module):
    """A bias of each channel, and leaky ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        return F.leaky_relu(features + self.bias[:, None, None], _SLOPE)


class ResidualBlock(nn.Sequential):
    """Inverted bottleneck: 1x1 to `expansion` times the channels, grouped 3x3, 1x1 back, added to the input (figure 4).

    Shapes: (N, channels, H, W) -> the same. A group of the 3x3 convolution has `group` channels. Starting weights are
    scaled for a network of `blocks` such blocks, and the last convolution starts at 0 (Fixup, Zhang, Dauphin, Ma 2019,
    https://arxiv.org/abs/1901.09321), so that a block starts as the identity.
    """

    def __init__(self, channels: int, *, expansion: int, group: int, blocks: int) -> None:
        gain, width = _GAIN * blocks ** (-1 / (2 * _LINEAR_LAYERS - 2)), expansion * channels
        grouped = nn.Conv2d(width, width, 3, padding=1, groups=groups(width, group), bias=False)
        super().__init__(
            pointwise(channels, width, gain),
            BiasedLeakyReLU(width),
            scaled_normal(grouped, gain),
            BiasedLeakyReLU(width),
            pointwise(width, channels, 0.0),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + super().forward(features)


def groups(width: int, group: int) -> int:
    """Number of groups of `group` channels in `width`. Raises ValueError where they do not fit."""
    at_least(1, group=group)
    if width % group:
        raise ValueError(f"group = {group} is refused: it must divide {width}, the channels of a 3x3 convolution")
    return width // group


class ClassEmbedding(nn.Linear):
    """An embedding of classes: labels int64 (N,) -> (N, outputs)."""

    def __init__(self, classes: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__(classes, outputs, bias=False)
        scaled_normal(self, gain)

    def forward(self, label: Tensor) -> Tensor:
        return F.embedding(label, self.weight.T)
