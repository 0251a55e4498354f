"""Non-leaking augmentations, twice differentiable: a generator trained through them learns the unaugmented images.

Karras, Aittala, Hellsten, Laine, Lehtinen, Aila 2020: Training Generative Adversarial Networks with Limited Data,
section 2.2 and appendix B, https://arxiv.org/abs/2006.06676. Images are sampled bilinearly here, through wavelet
filters in the paper.
"""

import math
from typing import Any

import torch
from torch import Tensor, autograd
from torch.nn import functional as F

from i2i.networks.augmentation.base import Draws

# Appendix B: standard deviations, but for the limit of integer translation
_INTEGER_TRANSLATION = 0.125  # of the size
_TRANSLATION = 0.125  # of the size
_SCALE = 0.2  # of the binary logarithm, as the next three
_STRETCH = 0.2
_CONTRAST = 0.5
_SATURATION = 1.0
_BRIGHTNESS = 0.2  # where black is -1 and white is 1


def augment(images: Tensor, probability: Tensor, *, condition_channels: int = 0, copies: int = 1) -> Tensor:
    """Images (N, C, H, W) in [-1, 1], each augmented in each way with `probability` (a scalar tensor).

    Pixel blitting (flip, rotation by 90 degrees, integer translation), geometry (scaling, rotation, stretching,
    translation) and colour (brightness, contrast, inverted luma, hue for C = 3, saturation). Borders are mirrored. The
    first `condition_channels` channels keep their colours, and are not counted in C. Random numbers are torch's own;
    with `copies` see `Draws`; the result may leave [-1, 1].
    """
    count, channels, height, width = images.shape
    with torch.autocast(images.device.type, enabled=False):
        draws = _Draws(count, probability, copies=copies)
        warp = geometric_transform(draws, height, width)
        grid = F.affine_grid(warp[:, :2].to(images.dtype), list(images.shape), align_corners=False)
        brightness, matrix = colour_transform(draws, channels - condition_channels)
        condition, image = _Sample.apply(images, grid).tensor_split([condition_channels], dim=1)
        image = image + brightness[..., None, None]
        image = torch.einsum("nij,njhw->nihw", matrix.to(image.dtype), image)
        return torch.cat([condition, image], dim=1) if condition_channels else image


class _Draws(Draws):
    """Random numbers (N, columns), one row per image, of which each row is applied with `probability`."""

    def __init__(self, count: int, probability: Tensor, *, copies: int = 1) -> None:
        super().__init__(count, probability.device, copies=copies)
        self._probability = probability

    def maybe(self, values: Tensor, identity: float, *, calls: int = 1) -> Tensor:
        """Rows of `values` with `probability`, which is that of at least one of `calls` calls; else `identity`."""
        probability = 1 - (1 - self._probability) ** (1 / calls)
        return torch.where(self.uniform(0, 1) < probability, values, identity)


def geometric_transform(draws: _Draws, height: int, width: int) -> Tensor:
    """Matrices (N, 3, 3) from augmented to original coordinates, both from -1 to 1 along each side of the image."""
    sides = torch.tensor([[width, height]], device=draws.device)
    longer = max(height, width)
    flip = draws.maybe(draws.uniform(0, 2).floor() * 2 - 1, 1)
    quarter_turns = draws.maybe(draws.uniform(0, 4).floor(), 0)
    pixels = draws.maybe((draws.uniform(-_INTEGER_TRANSLATION, _INTEGER_TRANSLATION, 2) * sides).round(), 0)
    scale = draws.maybe(draws.normal(_SCALE).exp2(), 1)
    pre_rotation, post_rotation = (draws.maybe(draws.uniform(-math.pi, math.pi), 0, calls=2) for _ in range(2))
    stretch = draws.maybe(draws.normal(_STRETCH).exp2(), 1)
    translation = draws.maybe(draws.normal(_TRANSLATION, 2), 0) * (2 / longer * sides)
    # The inverses of the paper's transforms, which have the same distributions, so their product is in reverse order.
    # In coordinates from -1 to 1 along the longer side: a rotation needs equal units along both.
    transform = (
        _scaling(flip, torch.ones_like(flip))
        @ _rotation(quarter_turns * (math.pi / 2))
        @ _translation(pixels * (2 / longer))
        @ _scaling(scale, scale)
        @ _rotation(pre_rotation)
        @ _scaling(stretch, 1 / stretch)
        @ _rotation(post_rotation)
        @ _translation(translation)
    )
    units = (sides / longer).expand(len(flip), 2).split(1, dim=1)
    return _scaling(*(1 / unit for unit in units)) @ transform @ _scaling(*units)


def colour_transform(draws: _Draws, channels: int) -> tuple[Tensor, Tensor]:
    """Brightness (N, 1), to be added to every pixel, and the matrix (N, C, C) by which the sum is then multiplied."""
    brightness = draws.maybe(draws.normal(_BRIGHTNESS), 0)
    contrast = draws.maybe(draws.normal(_CONTRAST).exp2(), 1)[..., None]
    luma_sign = draws.maybe(draws.uniform(0, 2).floor() * 2 - 1, 1)[..., None]
    hue = draws.maybe(draws.uniform(-math.pi, math.pi), 0)[..., None] * (channels == 3)
    saturation = draws.maybe(draws.normal(_SATURATION).exp2(), 1)[..., None]
    luma = torch.full((channels, channels), 1 / channels, device=brightness.device)  # projects on the axis of greys
    chroma = torch.eye(channels, device=brightness.device) - luma
    # Rodrigues' formula about the axis of greys, whose cross product is this matrix over sqrt(3)
    cross = chroma.roll(1, 0) - chroma.roll(-1, 0)
    rotated = hue.cos() * chroma + hue.sin() / math.sqrt(3) * cross
    return brightness, contrast * (luma_sign * luma + saturation * rotated)


def _matrix(*entries: Tensor) -> Tensor:
    """(N, 3, 3) from the entries (N, 1) of its first two rows."""
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


# PyTorch before 2.14 has no second derivative of grid_sample. Sampling is linear in the image: its derivative is its
# transpose, whose derivative is sampling.


class _Sample(autograd.Function):
    """Images (N, C, H, W) at the points of a grid (N, H, W, 2), which has no gradient."""

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
        # Only the shape of the images is used, which is the gradient's.
        return torch.ops.aten.grid_sampler_2d_backward(
            gradient, gradient, grid, bilinear, reflection, False, (True, False)
        )[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Sample.apply(gradient, *ctx.saved_tensors), None
