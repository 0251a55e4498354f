"""Random changes of images that do not leak: as long as some images stay as they are, what all were like before shows
in what they are like after. They are differentiable, twice too, so that a generator learns through them.

Karras, Aittala, Hellsten, Laine, Lehtinen, Aila 2020: Training Generative Adversarial Networks with Limited Data,
section 2.2 and appendix B (pixel blitting, geometry, colour), https://arxiv.org/abs/2006.06676. Images are sampled
bilinearly here; the paper filters them with wavelets.
"""

import math
from typing import Any

import torch
from torch import Tensor, autograd
from torch.nn import functional as F

# Standard deviations, but that of whole pixels, which is a limit
_WHOLE_TRANSLATION = 0.125  # of the size
_TRANSLATION = 0.125  # of the size
_SCALE = 0.2  # in powers of two, as the next three
_STRETCH = 0.2
_CONTRAST = 0.5
_SATURATION = 1.0
_BRIGHTNESS = 0.2  # from black at -1 to white at 1


def augment(images: Tensor, probability: Tensor) -> Tensor:
    """Square images (N, C, S, S) in [-1, 1], float32, each changed in each of these ways with `probability` (a scalar):
    mirrored, turned by right angles, moved by whole pixels, scaled, turned, stretched, moved; brightness, contrast,
    luma inverted, hue (of 3 channels), saturation. Draws from torch's own random numbers; beyond its border an image is
    mirrored.
    """
    number, channels, size, _ = images.shape
    with torch.autocast(images.device.type, enabled=False):
        warp = geometry(_Draw(number, probability), size)
        grid = F.affine_grid(warp[:, :2].to(images.dtype), list(images.shape), align_corners=False)
        brightness, colours = colour(_Draw(number, probability), channels)
        return torch.einsum("nij,njhw->nihw", colours, _Sample.apply(images, grid) + brightness[..., None, None])


class _Draw:
    """Random numbers (number, columns) of which only some, with `probability`, are taken."""

    def __init__(self, number: int, probability: Tensor) -> None:
        self._number, self._probability = number, probability

    def uniform(self, low: float, high: float, columns: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(self._number, columns, device=self._probability.device)

    def normal(self, deviation: float, columns: int = 1) -> Tensor:
        return deviation * torch.randn(self._number, columns, device=self._probability.device)

    def some(self, values: Tensor, neutral: float, *, times: int = 1) -> Tensor:
        """Images that are not to be changed get `neutral`. `times` such calls together have the probability of one."""
        probability = 1 - (1 - self._probability) ** (1 / times)
        return torch.where(self.uniform(0, 1) < probability, values, neutral)


def geometry(draw: _Draw, size: int) -> Tensor:
    """From where pixels come to be to where they were (N, 3, 3), in coordinates from -1 to 1 along the image."""
    mirror = draw.some(draw.uniform(0, 2).floor() * 2 - 1, 1)
    right_angles = draw.some(draw.uniform(0, 4).floor(), 0)
    whole = draw.some((draw.uniform(-_WHOLE_TRANSLATION, _WHOLE_TRANSLATION, 2) * size).round(), 0) * (2 / size)
    scale = draw.some(draw.normal(_SCALE).exp2(), 1)
    first, second = (draw.some(draw.uniform(-math.pi, math.pi), 0, times=2) for _ in range(2))
    stretch = draw.some(draw.normal(_STRETCH).exp2(), 1)
    moved = draw.some(draw.normal(_TRANSLATION, 2), 0) * 2
    # Every draw is as likely as its inverse, so these are drawn: with them the last change comes last in the product.
    return (
        _scaling(mirror, torch.ones_like(mirror))
        @ _rotation(right_angles * (math.pi / 2))
        @ _translation(whole)
        @ _scaling(scale, scale)
        @ _rotation(first)
        @ _scaling(stretch, 1 / stretch)
        @ _rotation(second)
        @ _translation(moved)
    )


def colour(draw: _Draw, channels: int) -> tuple[Tensor, Tensor]:
    """What is added to every pixel (N, 1), and then the matrix that it is multiplied by (N, channels, channels)."""
    brightness = draw.some(draw.normal(_BRIGHTNESS), 0)
    contrast = draw.some(draw.normal(_CONTRAST).exp2(), 1)[..., None]
    luma_sign = draw.some(draw.uniform(0, 2).floor() * 2 - 1, 1)[..., None]
    hue = draw.some(draw.uniform(-math.pi, math.pi), 0)[..., None] * (channels == 3)
    saturation = draw.some(draw.normal(_SATURATION).exp2(), 1)[..., None]
    luma = torch.full((channels, channels), 1 / channels, device=brightness.device)  # projects on the axis of greys
    chroma = torch.eye(channels, device=brightness.device) - luma
    turned = chroma.roll(1, 0) - chroma.roll(-1, 0)  # by a right angle about that axis, but for its length
    rotated = hue.cos() * chroma + hue.sin() / math.sqrt(3) * turned
    return brightness, contrast * (luma_sign * luma + saturation * rotated)


def _matrix(*entries: Tensor) -> Tensor:
    """(N, 3, 3) of the first two rows, each entry (N, 1)."""
    zero, one = torch.zeros_like(entries[0]), torch.ones_like(entries[0])
    return torch.cat([*entries, zero, zero, one], dim=1).reshape(-1, 3, 3)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    zero = torch.zeros_like(x)
    return _matrix(x, zero, zero, zero, y, zero)


def _rotation(angle: Tensor) -> Tensor:
    zero = torch.zeros_like(angle)
    return _matrix(angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero)


def _translation(offset: Tensor) -> Tensor:
    x, y = offset.chunk(2, dim=1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return _matrix(one, zero, x, zero, one, y)


# PyTorch before 2.14 has no second derivative of sampling. Sampling is linear in the image, so its derivative is its
# transpose, and the derivative of that is sampling.


class _Sample(autograd.Function):
    """Images (N, C, H, W) at the places of a grid (N, H, W, 2), which has no gradient."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Scatter.apply(gradient, *ctx.saved_tensors), None


class _Scatter(autograd.Function):
    """The transpose of `_Sample`."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        bilinear, reflection = 0, 2
        # Of the images only the shape counts, which is that of the gradient.
        return torch.ops.aten.grid_sampler_2d_backward(
            gradient, gradient, grid, bilinear, reflection, False, (True, False)
        )[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Sample.apply(gradient, *ctx.saved_tensors), None
