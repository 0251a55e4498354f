"""What StyleGAN2's generator and discriminator share: layers with equalised learning rates, the mapping network, and
the filter that comes with every change of size.

Karras, Aila, Laine, Lehtinen 2018: Progressive Growing of GANs, section 4.1, https://arxiv.org/abs/1710.10196 (rates).
Karras, Laine, Aila 2019: A Style-Based Generator Architecture for GANs, sections 2 and C, https://arxiv.org/abs/1812.04948.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.layers import at_least

FIRST_SIZE = 4  # pixels, of the smallest map of both networks
_EPSILON = 1e-8


class EqualisedLinear(nn.Module):
    """A fully connected layer whose weight is drawn from N(0, 1) / rate, and multiplied by rate / sqrt(inputs) when
    used: for what comes out, an Adam step is then as large in layers of any width, and `rate` times as large as in
    others.
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
    """A convolution whose weight is drawn from N(0, 1) and divided by the root of its fan-in when used."""

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
    """A leaky ReLU that keeps the mean square of normally distributed features, nearly."""

    def forward(self, features: Tensor) -> Tensor:
        return F.leaky_relu(features, 0.2) * math.sqrt(2)


class _Binomial(nn.Module):
    """Holds the filter [1, 3, 3, 1], in both directions, with a sum of `gain`."""

    kernel: Tensor

    def __init__(self, *, gain: float = 1.0) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", gain * torch.outer(taps, taps)[None, None], persistent=False)

    def of(self, features: Tensor) -> Tensor:
        """The filter once for every channel."""
        return self.kernel.expand(features.shape[1], -1, -1, -1)


class Blur(_Binomial):
    """Filters by [1, 3, 3, 1] with `padding` zeros around, and keeps every `stride`-th pixel."""

    def __init__(self, *, padding: int, stride: int = 1, gain: float = 1.0) -> None:
        super().__init__(gain=gain)
        self.padding, self.stride = padding, stride

    def forward(self, features: Tensor) -> Tensor:
        return F.conv2d(features, self.of(features), None, self.stride, self.padding, groups=features.shape[1])


class Shrink(Blur):
    """Halves height and width, filtered; a constant stays one, but for the border of zeros."""

    def __init__(self) -> None:
        super().__init__(padding=1, stride=2)


class Enlarge(_Binomial):
    """Doubles height and width: zeros between, then the filter; a constant stays one, but for the border of zeros."""

    def __init__(self) -> None:
        super().__init__(gain=4.0)  # three of four pixels were zeros

    def forward(self, features: Tensor) -> Tensor:
        return F.conv_transpose2d(features, self.of(features), None, 2, padding=1, groups=features.shape[1])


def normalised(features: Tensor) -> Tensor:
    """Every row (N, C) with a mean square of 1."""
    return features * (features.square().mean(1, keepdim=True) + _EPSILON).rsqrt()


class Mapping(nn.Module):
    """Fully connected layers from a latent, a label, or both, each normalised, to a point.

    Shapes: z (N, latent), where `latent` isn't 0, and labels int64 (N,), where `classes` isn't 0 -> (N, width). A label
    is a learned vector of `width` beside the latent (Karras et al. 2020, ADA, appendix C, https://arxiv.org/abs/2006.06676).
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
        parts = [] if z is None else [normalised(z)]
        if self.embedding is not None:
            parts.append(normalised(self.embedding(label)))
        return self.layers(torch.cat(parts, dim=1))


def widths(size: int, *, base: int, features: int) -> list[int]:
    """Channels of the maps of 4, 8, ... `size` pixels: base / pixels, at most `features`. Raises ValueError where
    `size` is no power of two from 8, or `base` leaves nothing at `size`.
    """
    at_least(1, features=features)
    if size < 2 * FIRST_SIZE or size & (size - 1):
        raise ValueError(f"size = {size} is refused; allowed: a power of two, {2 * FIRST_SIZE} or more")
    at_least(size, base=base)
    return [min(base >> level, features) for level in range(2, size.bit_length())]
