"""Layers of StyleGAN2's networks: equalised learning rates, filtered resampling, the mapping network.

Karras, Aila, Laine, Lehtinen 2018: Progressive Growing of GANs, section 4.1, https://arxiv.org/abs/1710.10196 (rates).
Karras, Laine, Aila 2019: A Style-Based Generator Architecture for GANs, sections 2 and C, https://arxiv.org/abs/1812.04948.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.layers import at_least

FIRST_SIZE = 4  # pixels of the smallest map
_EPSILON = 1e-8


class EqualisedLinear(nn.Module):
    """A fully connected layer with an equalised learning rate: its weight starts from N(0, 1) / rate and is multiplied
    by rate / sqrt(inputs) at run time. So an Adam step changes the output of layers of any width equally, and `rate`
    times as much as in others.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight * self.scale, self.bias * self.rate)


class LabelEmbedding(EqualisedLinear):
    """An equalised fully connected layer at one-hot vectors: labels int64 (N,) -> (N, outputs)."""

    def __init__(self, classes: int, outputs: int) -> None:
        super().__init__(classes, outputs)
        self.register_load_state_dict_pre_hook(self._convert_vectors)

    def forward(self, label: Tensor) -> Tensor:
        return F.embedding(label, self.weight.T * self.scale) + self.bias

    @staticmethod
    def _convert_vectors(layer: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        """Turn the vectors (classes, outputs) that version 0.1 kept into a weight and a bias, in place."""
        if (vectors := state.get(f"{prefix}weight")) is not None and f"{prefix}bias" not in state:
            state[f"{prefix}weight"] = vectors.T * math.sqrt(len(vectors))
            state[f"{prefix}bias"] = torch.zeros_like(vectors[0])


class EqualisedConv(nn.Module):
    """A convolution with an equalised learning rate: its weight starts from N(0, 1) and is divided by the root of its
    fan-in at run time.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.stride, self.padding = stride, padding

    def forward(self, features: Tensor) -> Tensor:
        return F.conv2d(features, self.weight * self.scale, self.bias, self.stride, self.padding)


class ScaledLeakyReLU(nn.Module):
    """Leaky ReLU times sqrt(2), which nearly keeps the mean square of normally distributed features."""

    def forward(self, features: Tensor) -> Tensor:
        return F.leaky_relu(features, 0.2) * math.sqrt(2)


class _BinomialFilter(nn.Module):
    """The filter [1, 3, 3, 1] in both directions, with a sum of `gain`."""

    kernel: Tensor

    def __init__(self, *, gain: float = 1.0) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", gain * torch.outer(taps, taps)[None, None], persistent=False)

    def kernel_for(self, features: Tensor) -> Tensor:
        """The depth-wise kernel for the channels of `features`."""
        return self.kernel.expand(features.shape[1], -1, -1, -1)


class Blur(_BinomialFilter):
    """A filter [1, 3, 3, 1] after `padding` with zeros; keeps every `stride`-th pixel."""

    def __init__(self, *, padding: int, stride: int = 1, gain: float = 1.0) -> None:
        super().__init__(gain=gain)
        self.padding, self.stride = padding, stride

    def forward(self, features: Tensor) -> Tensor:
        return F.conv2d(features, self.kernel_for(features), None, self.stride, self.padding, groups=features.shape[1])


class FilteredDownsample(Blur):
    """Filtered down-sampling to half the height and width."""

    def __init__(self) -> None:
        super().__init__(padding=1, stride=2)


class FilteredUpsample(_BinomialFilter):
    """Up-sampling to twice the height and width: zeros between the pixels, then the filter."""

    def __init__(self) -> None:
        super().__init__(gain=4.0)  # three of four pixels are zeros

    def forward(self, features: Tensor) -> Tensor:
        return F.conv_transpose2d(features, self.kernel_for(features), None, 2, padding=1, groups=features.shape[1])


def normalise(features: Tensor) -> Tensor:
    """Scale every row (N, C) to a mean square of 1."""
    return features * (features.square().mean(1, keepdim=True) + _EPSILON).rsqrt()


class Mapping(nn.Module):
    """The mapping network: fully connected layers from a latent, a label, or both, each normalised, to a point w.

    Shapes: z (N, latent), where `latent` isn't 0, and labels int64 (N,), where `classes` isn't 0 -> (N, width). A label
    becomes an embedding of `width`, concatenated with the latent (Karras et al. 2020, ADA, appendix C, https://arxiv.org/abs/2006.06676).
    """

    def __init__(self, *, latent: int, classes: int, width: int, layers: int, rate: float) -> None:
        super().__init__()
        at_least(1, mapping_layers=layers)
        if rate <= 0:
            raise ValueError(f"mapping_lr = {rate} is refused; allowed: above 0")
        self.embedding = LabelEmbedding(classes, width) if classes else None
        first = latent + (width if classes else 0)
        self.layers = nn.Sequential()
        for layer in range(layers):
            self.layers.append(EqualisedLinear(width if layer else first, width, rate=rate))
            self.layers.append(ScaledLeakyReLU())

    def forward(self, z: Tensor | None, label: Tensor | None) -> Tensor:
        parts = [] if z is None else [normalise(z)]
        if self.embedding is not None:
            parts.append(normalise(self.embedding(label)))
        return self.layers(torch.cat(parts, dim=1))


def widths(size: int, *, base: int, features: int) -> list[int]:
    """Channels of the maps of 4, 8, ... `size` pixels: base / pixels, at most `features`. Raises ValueError for a
    `size` that is no power of two from 8, and a `base` below it.
    """
    at_least(1, features=features)
    if size < 2 * FIRST_SIZE or size & (size - 1):
        raise ValueError(f"size = {size} is refused; allowed: a power of two, {2 * FIRST_SIZE} or more")
    at_least(size, base=base)
    return [min(base >> level, features) for level in range(2, size.bit_length())]
