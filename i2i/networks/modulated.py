"""Convolutions modulated by a style: with demodulated weights, or by adaptive instance normalisation.

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
    """A 3x3 convolution to `size` pixels, from half of them with `upsampling`; then noise, a bias and a leaky ReLU. It
    is modulated by the style that `affine` (A in the papers' figures) computes from w.

    Shapes: features (N, inputs, S, S) and w (N, style) -> (N, outputs, size, size). The noise is random in training
    mode, a constant buffer in eval mode, and starts with a strength of 0.
    """

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, size: int, affine: nn.Module, *, upsampling: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, size, size))
        self.activation = ScaledLeakyReLU()
        # After the transposed convolution, whose output is cut by one pixel; three of four pixels are zeros.
        self.blur = Blur(padding=1, gain=4.0) if upsampling else None
        self.scale = 1 / math.sqrt(inputs * 9)
        self.affine = affine

    def convolved(self, features: Tensor, weight: Tensor) -> Tensor:
        if self.blur is None:
            return F.conv2d(features, weight, padding=1)
        # The convolution comes before the filter, with which it commutes, so that it works at half the size.
        return self.blur(F.conv_transpose2d(features, weight.transpose(0, 1), stride=2))

    def activated(self, features: Tensor) -> Tensor:
        noise = torch.randn_like(features[:, :1]) if self.training else self.noise
        return self.activation(features + self.strength * noise + self.bias)


class DemodulatedLayer(StyledLayer):
    """A convolution whose weights are modulated by the style and demodulated to norm 1 (2020, section 2.2).

    Input and output are scaled instead of the weights, which is equivalent and needs one convolution for the batch.
    """

    def __init__(self, inputs: int, outputs: int, size: int, *, style: int, upsampling: bool) -> None:
        super().__init__(inputs, outputs, size, EqualisedLinear(style, inputs, bias=1.0), upsampling=upsampling)

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        # Demodulation undoes the scale, which keeps half precision in its range.
        style, weight = self.affine(w), self.weight * self.scale
        coefficients = demodulation(weight, style, epsilon=_EPSILON * self.scale**2)
        return self.activated(
            self.convolved(features * style[:, :, None, None], weight) * coefficients[..., None, None]
        )


class AdaINLayer(StyledLayer):
    """A convolution followed by AdaIN: mean and deviation of every map are set by the style (2019, equation 1)."""

    def __init__(self, inputs: int, outputs: int, size: int, *, style: int, upsampling: bool) -> None:
        super().__init__(inputs, outputs, size, EqualisedLinear(style, 2 * outputs), upsampling=upsampling)
        self.norm = InstanceNorm2d(outputs)

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.affine(w)[:, :, None, None].chunk(2, dim=1)
        return self.norm(self.activated(self.convolved(features, self.weight * self.scale))) * (1 + scale) + shift


class ToRGB(nn.Module):
    """A 1x1 convolution to the channels of an image, with modulated weights that are not demodulated.

    Shapes: features (N, inputs, S, S) and w (N, style) -> (N, out_channels, S, S).
    """

    def __init__(self, inputs: int, out_channels: int, *, style: int) -> None:
        super().__init__()
        self.affine = EqualisedLinear(style, inputs, bias=1.0)
        self.convolution = EqualisedConv(inputs, out_channels, 1)

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        return self.convolution(features * self.affine(w)[:, :, None, None])
