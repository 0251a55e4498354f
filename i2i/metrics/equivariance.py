"""EQ-T and EQ-R: how far a generator's images move as its input is moved, in dB.

Karras, Aittala, Laine, Härkönen, Hellsten, Lehtinen, Aila 2021: Alias-Free Generative Adversarial Networks, section 3
and appendix E, https://arxiv.org/abs/2106.12423. Numbers are those of https://github.com/NVlabs/stylegan3.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

LARGEST_SHIFT = 1 / 8  # of the size of an image
_LOBES = 3  # a, of a Lanczos window
_REACH = 2 * _LOBES  # samples, of the convolution of two windows
_GRID = 64  # samples on each side of the filters that are convolved
_UP = 4  # samples for a pixel, between which a rotated image is interpolated
_RANGE = 2.0  # I_max, of images in [-1, 1]

Render = Callable[[Tensor], Tensor]  # inverse of a motion (3, 3), in images from their middle -> images (N, C, S, S)


class SquaredError(NamedTuple):
    """Sum of squared differences over a number of values, of all pixels and channels."""

    total: float
    values: int

    def decibels(self) -> float:
        """Peak signal-to-noise ratio for images in [-1, 1]."""
        return 20 * math.log10(_RANGE) - 10 * math.log10(self.total / self.values) if self.total else math.inf


def translation_error(render: Render, *, shift: tuple[int, int]) -> SquaredError:
    """Error of images whose input is shifted by whole pixels to the right and down, within what both show."""
    still = render(torch.eye(3))
    height, width = still.shape[-2:]
    motion = torch.eye(3)
    motion[:2, 2] = -torch.tensor([shift[0] / width, shift[1] / height])
    difference = render(motion) - still.roll((shift[1], shift[0]), (-2, -1))
    rows = slice(max(shift[1], 0), height + min(shift[1], 0))
    columns = slice(max(shift[0], 0), width + min(shift[0], 0))
    inside = difference[..., rows, columns]
    return SquaredError(inside.square().sum().item(), inside.numel())


def rotation_error(render: Render, *, angle: float) -> SquaredError:
    """Error of images whose input is rotated by an angle in radians.

    What of an image's spectrum leaves the square of frequencies as it rotates is left out of both sides.
    """
    motion = rotation(-angle)
    expected, seen = rotated(render(torch.eye(3)), angle)
    found, valid = as_if_rotated(render(motion), angle)
    mask = (seen * valid).expand_as(found)
    return SquaredError(((expected - found).square() * mask).sum().item(), int(mask.sum()))


def rotation(angle: float) -> Tensor:
    """A rotation (3, 3) by an angle in radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.tensor([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])


def rotated(images: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    """Images (N, C, S, S) rotated around their middle without aliasing, and a mask (1, 1, S, S) of the pixels that
    nothing beyond the images reaches (appendix E.3).
    """
    size, motion = images.shape[-1], rotation(angle)
    kernel = common_band(motion, up=_UP).to(images)
    border, channels = len(kernel) // 2, images.shape[1]
    fine = F.conv_transpose2d(images, kernel.expand(channels, 1, -1, -1) * _UP**2, stride=_UP, groups=channels)
    fine = F.pad(fine, (2, 1, 2, 1))  # to _UP * size + 2 * border samples, the middle of a pixel half a sample early
    inverse = motion.inverse()
    inverse[:2, 2] += 1 / _UP / size
    inverse[:2] *= size / (size + 2 * border / _UP)
    grid = F.affine_grid(inverse[None, :2].to(images), [1, 1, size, size], align_corners=False)
    turned = F.grid_sample(fine, grid.expand(len(images), -1, -1, -1), mode="bilinear", align_corners=False)
    mask = F.pad(fine.new_ones(1, 1, *(length - 4 * border - 2 for length in fine.shape[-2:])), (2 * border + 1,) * 4)
    return turned, F.grid_sample(mask, grid, mode="nearest", align_corners=False)


def as_if_rotated(images: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    """Images (N, C, S, S) with the frequencies that are left after a rotation by this angle, and a mask (1, 1, S, S) as
    that of `rotated` (appendix E.3).
    """
    kernel = common_band(rotation(-angle), up=1).to(images)
    border, channels, size = len(kernel) // 2, images.shape[1], images.shape[-1]
    filtered = F.conv2d(images, kernel.expand(channels, 1, -1, -1), padding=border, groups=channels)
    return filtered, F.pad(images.new_ones(1, 1, *[size - 2 * border] * 2), (border,) * 4)


def common_band(motion: Tensor, *, up: int) -> Tensor:
    """A low-pass filter (2 * reach * up - 1, the same), at `up` samples for a pixel, for frequencies that an image can
    have both before and after a motion: the convolution of two sincs in two directions, windowed alike.
    """
    taps = (torch.arange(2 * _GRID * up - 1) + 1) / up - _GRID
    taps = taps.roll(1 - _GRID * up)  # 0 first, as Fourier transforms have it
    y, x = torch.meshgrid(taps, taps, indexing="ij")
    after = (torch.stack([x, y], dim=2) @ motion[:2, :2].T).unbind(2)
    kernel = _convolved(_product(torch.sinc, x, y), _product(torch.sinc, *after))
    kernel = kernel * _convolved(_product(_lanczos, x, y), _product(_lanczos, *after))
    cut = (_GRID - _REACH) * up
    kernel = kernel.roll([_GRID * up - 1] * 2, dims=[0, 1])[cut:-cut, cut:-cut]
    phases = F.pad(kernel, (0, 1, 0, 1)).reshape(2 * _REACH, up, 2 * _REACH, up)
    phases = phases / phases.sum((0, 2), keepdim=True) / up**2  # each of the samples of a pixel keeps the mean
    return phases.reshape(2 * _REACH * up, 2 * _REACH * up)[:-1, :-1]


def _product(window: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    return window(x) * window(y)


def _lanczos(x: Tensor) -> Tensor:
    x = x.abs() / _LOBES
    return torch.where(x < 1, torch.sinc(x), torch.zeros_like(x))


def _convolved(first: Tensor, second: Tensor) -> Tensor:
    return torch.fft.ifftn(torch.fft.fftn(first) * torch.fft.fftn(second)).real
