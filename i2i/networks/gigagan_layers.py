"""Layers of GigaGAN: adaptive kernel selection, and self-attention by L2 distance.

Kang, Zhu, Zhang, Park, Shechtman, Paris, Park 2023: Scaling up GANs for Text-to-Image Synthesis, sections 3.1 and 3.2,
https://arxiv.org/abs/2303.05511.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.layers import at_least
from i2i.networks.stylegan2_layers import EqualisedConv, EqualisedLinear

_EPSILON = 1e-8
_HEAD = 64  # channels of an attention head
_INITIAL_GAIN = 0.1  # of attention: less than that of convolutions, as in appendix A


class AdaptiveConv(nn.Module):
    """A 3x3 convolution whose kernel is chosen for each image: a mean over a bank of kernels with softmax weights of
    the style w, modulated by w and demodulated (equations 2 and 3).

    Shapes: features (N, inputs, H, W) and w (N, style) -> (N, outputs, H, W).
    """

    def __init__(self, inputs: int, outputs: int, *, style: int, kernels: int) -> None:
        super().__init__()
        at_least(1, kernels=kernels)
        self.inputs, self.outputs = inputs, outputs
        self.bank = nn.Parameter(torch.randn(kernels, outputs * inputs * 9))  # K_i, flat
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.selection = EqualisedLinear(style, kernels)  # W_filter, b_filter
        self.affine = EqualisedLinear(style, inputs, bias=1.0)  # W_mod, b_mod
        self.scale = 1 / math.sqrt(inputs * 9)

    def kernels(self, w: Tensor) -> Tensor:
        """The kernel of each image (N, outputs, inputs, 3, 3), whose filters have norm 1."""
        kernel = self._modulated(w)
        return kernel * _inverse_norm(kernel)

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return self._with_constant_kernels(features, w)
        number, _, height, width = features.shape
        # One group of channels for each image
        grouped = features.reshape(1, -1, height, width)
        result = F.conv2d(grouped, self.kernels(w).flatten(0, 1), padding=1, groups=number)
        return result.reshape(number, -1, height, width) + self.bias[:, None, None]

    def _with_constant_kernels(self, features: Tensor, w: Tensor) -> Tensor:
        """The same by linearity: the input, weighed for each kernel, convolved with all kernels of the bank. It costs
        as many convolutions, but exported graphs have neither groups nor kernels that depend on the batch.
        """
        weights = self._selected(w)[:, :, None] * self.affine(w)[:, None]  # (N, kernels, inputs)
        weighed = (features[:, None] * weights[..., None, None]).flatten(1, 2)
        bank = (self.bank * self.scale).reshape(-1, self.outputs, self.inputs, 3, 3).transpose(0, 1).flatten(1, 2)
        norm = _inverse_norm(self._modulated(w))[:, :, 0]
        return F.conv2d(weighed, bank, padding=1) * norm + self.bias[:, None, None]

    def _selected(self, w: Tensor) -> Tensor:
        return torch.softmax(self.selection(w), dim=1)

    def _modulated(self, w: Tensor) -> Tensor:
        kernel = (self._selected(w) @ (self.bank * self.scale)).reshape(-1, self.outputs, self.inputs, 3, 3)
        return kernel * self.affine(w)[:, None, :, None, None]


class L2Attention(nn.Module):
    """Self-attention over all pixels by the L2 distance of points that are query and key in one, added to its input.

    Shapes: (N, channels, H, W) -> the same. With tied queries and keys, and distances in place of dot products, it is
    Lipschitz (Kim, Papamakarios, Mnih 2021, https://arxiv.org/abs/2006.04710). Heads have 64 channels where channels
    are a multiple of that, else there is one. Without gradients memory grows with the pixels, with them and in exported
    files with their square.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        at_least(1, channels=channels)
        self.heads = channels // _HEAD if channels % _HEAD == 0 else 1
        self.point = EqualisedConv(channels, channels, 1, bias=False)  # query and key
        self.value = EqualisedConv(channels, channels, 1, bias=False)
        self.out = EqualisedConv(channels, channels, 1)
        self.gain = nn.Parameter(torch.full((channels, 1, 1), _INITIAL_GAIN))

    def forward(self, features: Tensor) -> Tensor:
        point, value = (self._by_head(layer(features)) for layer in (self.point, self.value))
        scale = 1 / math.sqrt(point.shape[-1])
        squares = point.square().sum(-1, keepdim=True)
        # -|p - q|^2 = 2 p q - |q|^2 - |p|^2, the last of which softmax over q takes for a constant.
        query = torch.cat([2 * point, -torch.ones_like(squares)], dim=-1)
        key = torch.cat([point, squares], dim=-1)
        if torch.is_grad_enabled():
            # The gradient of scaled_dot_product_attention has no gradient, which penalties of gradients need.
            attended = torch.softmax(query @ key.transpose(-1, -2) * scale, dim=-1) @ value
        else:
            # One more channel, of zeros: operators that keep no matrix of all pairs need as many as query and key.
            attended = F.scaled_dot_product_attention(query, key, F.pad(value, (0, 1)), scale=scale)[..., :-1]
        attended = attended.transpose(-1, -2).reshape(features.shape)
        return features + self.gain * self.out(attended)

    def _by_head(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, heads, H * W, channels / heads)."""
        return features.flatten(2).unflatten(1, (self.heads, -1)).transpose(-1, -2)


def _inverse_norm(kernel: Tensor) -> Tensor:
    return (kernel.square().sum((2, 3, 4), keepdim=True) + _EPSILON).rsqrt()
