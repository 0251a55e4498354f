"""Layers whose result a style decides: by weights modulated and demodulated, or by adaptive instance normalisation.

Karras, Laine, Aittala, Hellsten, Lehtinen, Aila 2020: Analyzing and Improving the Image Quality of StyleGAN, section 2,
https://arxiv.org/abs/1912.04958.
Karras, Laine, Aila 2019: A Style-Based Generator Architecture for GANs, section 2, https://arxiv.org/abs/1812.04948.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.layers import InstanceNorm2d
from i2i.networks.stylegan2_layers import Blur, EqualisedConv, EqualisedLinear, ScaledLeakyReLU

_EPSILON = 1e-8


def demodulation(weight: Tensor, style: Tensor, *, epsilon: float = _EPSILON) -> Tensor:
    """Factors (N, O) that bring the filters of `weight` (O, I, k, k), modulated by `style` (N, I), to norm 1
    (equation 3).
    """
    energy = weight.square().sum((2, 3))
    return (F.linear(style.square(), energy) + epsilon).rsqrt()


class StyledLayer(nn.Module):
    """A 3x3 convolution to `size` pixels, from half of them where it is `doubling`; noise; a bias; a leaky ReLU; and
    somewhere among these the style, which `affine` makes of w (A of the papers' figures).

    Shapes: features (N, inputs, S, S) and w (N, style) -> (N, outputs, size, size). The noise is drawn from torch's own
    random numbers in training and always the same after, and begins with a strength of 0.
    """

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, size: int, affine: nn.Module, *, doubling: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, size, size))
        self.activation = ScaledLeakyReLU()
        # After the transposed convolution, whose result is cut by one pixel; three of four pixels were zeros.
        self.blur = Blur(padding=1, gain=4.0) if doubling else None
        self.scale = 1 / math.sqrt(inputs * 9)
        self.affine = affine

    def convolved(self, features: Tensor, weight: Tensor) -> Tensor:
        if self.blur is None:
            return F.conv2d(features, weight, padding=1)
        # Convolved before it is filtered, which commutes, so that the work is at half the size.
        return self.blur(F.conv_transpose2d(features, weight.transpose(0, 1), stride=2))

    def activated(self, features: Tensor) -> Tensor:
        noise = torch.randn_like(features[:, :1]) if self.training else self.noise
        return self.activation(features + self.strength * noise + self.bias)


class DemodulatedLayer(StyledLayer):
    """The style scales the weights, which are then brought back to norm 1 (2020, section 2.2).

    Input and output are scaled instead, which is the same: so the weights are one constant for the whole batch.
    """

    def __init__(self, inputs: int, outputs: int, size: int, *, style: int, doubling: bool) -> None:
        super().__init__(inputs, outputs, size, EqualisedLinear(style, inputs, bias=1.0), doubling=doubling)

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        # Demodulation undoes the scale, which keeps half precision in its range.
        style, weight = self.affine(w), self.weight * self.scale
        coefficients = demodulation(weight, style, epsilon=_EPSILON * self.scale**2)
        return self.activated(
            self.convolved(features * style[:, :, None, None], weight) * coefficients[..., None, None]
        )


class AdaINLayer(StyledLayer):
    """Every map of every image gets a mean and a deviation of the style's (2019, equation 1)."""

    def __init__(self, inputs: int, outputs: int, size: int, *, style: int, doubling: bool) -> None:
        super().__init__(inputs, outputs, size, EqualisedLinear(style, 2 * outputs), doubling=doubling)
        self.norm = InstanceNorm2d(outputs)

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.affine(w)[:, :, None, None].chunk(2, dim=1)
        return self.norm(self.activated(self.convolved(features, self.weight * self.scale))) * (1 + scale) + shift


class ToImage(nn.Module):
    """A 1x1 convolution to the channels of an image, its weights modulated but not demodulated.

    Shapes: features (N, inputs, S, S) and w (N, style) -> (N, out_channels, S, S).
    """

    def __init__(self, inputs: int, out_channels: int, *, style: int) -> None:
        super().__init__()
        self.affine = EqualisedLinear(style, inputs, bias=1.0)
        self.convolution = EqualisedConv(inputs, out_channels, 1)

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        return self.convolution(features * self.affine(w)[:, :, None, None])
