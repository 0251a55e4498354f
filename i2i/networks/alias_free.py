"""Alias-free layers of StyleGAN3: low-pass filters, Fourier features, and activations at a higher sampling rate.

Karras, Aittala, Laine, Härkönen, Hellsten, Lehtinen, Aila 2021: Alias-Free Generative Adversarial Networks, section 3
and appendix C, https://arxiv.org/abs/2106.12423.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.modulated import demodulation
from i2i.networks.stylegan2_layers import EqualisedLinear

TAPS = 6  # of a filter for each sample that it covers
_OVERSAMPLING = 2  # around a leaky ReLU
_CLAMP = 256.0
_SLOPE = 0.2


@dataclass(frozen=True)
class Signal:
    """A sampled signal: its rate, and where its band ends, in cycles per image; its size in samples, and channels."""

    rate: float
    cutoff: float
    half_width: float  # of the transition band
    size: int
    channels: int


def low_pass(taps: int, cutoff: float, width: float, rate: float, *, radial: bool = False) -> Tensor | None:
    """A low-pass filter (taps,), or radially symmetric (taps, taps), of sum 1 for signals of a sampling rate; None for
    one tap. It is a sinc, or jinc, times a Kaiser window for this width of the transition band (appendix C.1).
    """
    if taps == 1:
        return None
    position = (np.arange(taps) - (taps - 1) / 2) / rate
    window = np.kaiser(taps, _kaiser_beta(2.285 * (taps - 1) * np.pi * width / (rate / 2) + 7.95))
    if radial:
        radius = np.hypot(*np.meshgrid(position, position))
        jinc = torch.special.bessel_j1(torch.from_numpy(2 * np.pi * cutoff * radius)).numpy() / (np.pi * radius)
        kernel = jinc * np.outer(window, window)
    else:
        kernel = np.sinc(2 * cutoff * position) * window
    return torch.from_numpy(kernel / kernel.sum()).float()


def _kaiser_beta(attenuation: float) -> float:
    """Kaiser's formula for the shape of his window by the attenuation in dB."""
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21) if attenuation > 21 else 0.0


def filtered(features: Tensor, kernel: Tensor | None, *, up: int, down: int, padding: tuple[int, int]) -> Tensor:
    """Features (N, C, H, W) with zeros between the pixels (`up`), padded or cut at both ends, filtered, and of whose
    pixels every `down`-th is kept.
    """
    before, after = padding
    if kernel is None:
        return F.pad(features, (before, after, before, after))[..., ::down, ::down]
    taps, channels = len(kernel), features.shape[1]
    weight = kernel.to(features.dtype) * up**kernel.ndim  # the zeros take energy
    if kernel.ndim == 2:
        features = F.pad(features, (before, after, before, after))
        return F.conv2d(features, weight.expand(channels, 1, -1, -1), stride=down, groups=channels)
    for shape, sides in (((taps, 1), (0, 0, 1, 1)), ((1, taps), (1, 1, 0, 0))):
        strides = tuple(1 if length == 1 else (up if up > 1 else down) for length in shape)
        along = weight.reshape(1, 1, *shape).expand(channels, -1, -1, -1)
        if up > 1:
            # Its result is that of padding by taps - 1 before, and by taps - up after.
            features = F.conv_transpose2d(features, along, stride=strides, groups=channels)
            pads = (before - taps + 1, after + up - taps)
        else:
            pads = (before, after)
        left, right, top, bottom = (pad * side for pad, side in zip(pads * 2, sides, strict=True))
        features = F.pad(features, (left, right, top, bottom))
        if up == 1:
            features = F.conv2d(features, along, stride=strides, groups=channels)
    return features


class FourierFeatures(nn.Module):
    """The input: sines of random frequencies below `cutoff`, moved and rotated by w, times a matrix (section 3.1).

    Shapes: w (N, style) -> (N, channels, size, size). `transform` moves what the image shows, in images: a matrix
    (3, 3) that is the inverse of the motion.
    """

    frequencies: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, signal: Signal, *, style: int) -> None:
        super().__init__()
        self.signal, channels = signal, signal.channels
        directions = torch.randn(channels, 2)
        radius = directions.square().sum(1, keepdim=True).sqrt()
        directions = directions / (radius * radius.square().exp().pow(0.25))
        self.register_buffer("frequencies", directions * signal.cutoff)
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = EqualisedLinear(style, 4)
        nn.init.zeros_(self.affine.weight)
        self.affine.bias.data[0] = 1

    def forward(self, w: Tensor) -> Tensor:
        moved = self._motion(w) @ self.transform
        phases = self.phases + (self.frequencies @ moved[:, :2, 2:]).squeeze(2)
        frequencies = self.frequencies @ moved[:, :2, :2]
        beyond = (frequencies.norm(dim=2) - self.signal.cutoff) / (self.signal.rate / 2 - self.signal.cutoff)
        amplitudes = (1 - beyond).clamp(0, 1)
        size = self.signal.size
        # Centres of pixels, in images from the middle
        along = (torch.arange(size, device=w.device, dtype=w.dtype) - (size - 1) / 2) / self.signal.rate
        grid = torch.stack([along.expand(size, -1), along[:, None].expand(-1, size)], dim=2)
        waves = torch.einsum("hwd,ncd->nhwc", grid, frequencies) + phases[:, None, None]
        features = (2 * math.pi * waves).sin() * amplitudes[:, None, None]
        return (features @ (self.weight / math.sqrt(len(self.weight))).T).permute(0, 3, 1, 2)

    def _motion(self, w: Tensor) -> Tensor:
        """Rotations times translations (N, 3, 3) that w chooses."""
        chosen = self.affine(w)
        cosine, sine, x, y = (chosen / chosen[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        rotation = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], dim=1)
        translation = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1)
        return rotation.unflatten(1, (3, 3)) @ translation.unflatten(1, (3, 3))


class AliasFreeLayer(nn.Module):
    """A modulated convolution, a bias, and a leaky ReLU between filters, at a higher sampling rate; the last one, to
    RGB, has no filters and is linear.

    Shapes: features (N, C, S, S) of the `before` signal and w (N, style) -> those of the `after` signal. Features are
    divided by the root of `magnitude`, a moving average of their mean square.
    """

    magnitude: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(
        self, before: Signal, after: Signal, *, style: int, kernel: int, radial: bool = False, to_image: bool = False
    ) -> None:
        super().__init__()
        self.to_image, self.kernel = to_image, kernel
        rate = max(before.rate, after.rate) * (1 if to_image else _OVERSAMPLING)
        self.up, self.down = round(rate / before.rate), round(rate / after.rate)
        taps = [TAPS * factor if factor > 1 and not to_image else 1 for factor in (self.up, self.down)]
        up_filter = low_pass(taps[0], before.cutoff, 2 * before.half_width, rate)
        down_filter = low_pass(taps[1], after.cutoff, 2 * after.half_width, rate, radial=radial)
        self.register_buffer("up_filter", up_filter, persistent=False)
        self.register_buffer("down_filter", down_filter, persistent=False)
        total = (after.size - 1) * self.down + 1 - (before.size + kernel - 1) * self.up + sum(taps) - 2
        first = (total + self.up) // 2
        self.padding = (first, total - first)
        self.affine = EqualisedLinear(style, before.channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(after.channels, before.channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after.channels))
        self.register_buffer("magnitude", torch.ones(()))

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w)
        weight: Tensor = self.weight
        if self.to_image:
            style = style / math.sqrt(weight[0].numel())
        else:
            weight = weight * weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
        scaled = features * (style * self.magnitude.rsqrt())[:, :, None, None]
        features = F.conv2d(scaled, weight, padding=self.kernel - 1)
        if not self.to_image:
            features = features * demodulation(weight, style)[..., None, None]
        features = features + self.bias[:, None, None]
        features = filtered(features, self.up_filter, up=self.up, down=1, padding=self.padding)
        if not self.to_image:
            features = F.leaky_relu(features, _SLOPE) * math.sqrt(2)
        return filtered(features.clamp(-_CLAMP, _CLAMP), self.down_filter, up=1, down=self.down, padding=(0, 0))

    @torch.no_grad()
    def observe(self, features: Tensor, decay: float) -> None:
        """Move the average of the mean square of features that come in."""
        self.magnitude.lerp_(features.square().mean().to(self.magnitude.dtype), 1 - decay)
