"""JPEG compression on the batch: baseline files with 4:2:0 chroma, encoded and decoded, without their bytes.

ITU-T T.81, 1992, annexes A and K; JFIF 1.02 for the colours. kornia's codec rounds by a polynomial for the sake of
gradients, which are not needed here, and takes four times as long.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

Matrix = tuple[tuple[float, ...], ...]

# Quantisation steps at quality 50 (T.81, tables K.1 and K.2).
_LUMINANCE: Matrix = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE: Matrix = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)
_TO_YCBCR: Matrix = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB: Matrix = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """(N, 1 or 3, H, W) images in [0, 1], compressed at `quality`, (N,) from 1 to 100, and decoded to [0, 1].

    Where the size is no multiple of a block, edge pixels are repeated, as encoders do (the published code pads with
    zeros, which darkens the right and bottom edges). Chroma is averaged over 2x2 pixels and interpolated bilinearly, as
    in libjpeg. Neither input nor output is rounded to 8 bit.
    """
    height, width = images.shape[-2:]
    luminance, chrominance = _quantisation_steps(quality)
    block = 8 if images.shape[1] == 1 else 16
    padded = F.pad(images, (0, -width % block, 0, -height % block), mode="replicate").mul_(255).sub_(128)
    if images.shape[1] == 1:
        decoded = _quantise(padded, luminance)
    else:  # from RGB centered about 0 come luminance centered about 0, and chroma without an offset
        colors = _convert(padded, _TO_YCBCR)
        y = _quantise(colors[:, :1], luminance)
        chroma = _quantise(_halve(colors[:, 1:]), chrominance)
        chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
        decoded = _convert(torch.cat([y, chroma], 1), _TO_RGB)
    return decoded[..., :height, :width].add(128).div_(255).clamp_(0, 1)


def _halve(planes: Tensor) -> Tensor:
    """Means of 2x2 pixels; faster than pooling."""
    rows = planes[..., ::2, :] + planes[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) * 0.25


def _quantise(plane: Tensor, steps: Tensor) -> Tensor:
    """(N, C, H, W) with the cosine coefficients of blocks of 8x8 rounded to multiples of `steps`, (N, 8, 8)."""
    shape = plane.shape
    cosines = _cosines(plane.device, plane.dtype)
    steps = steps.view(-1, 1, 1, 8, 1, 8)
    # The transforms need no transposition: rows of blocks are (8, W), and blocks runs of 8 in a row.
    columns = cosines @ plane.reshape(*shape[:2], -1, 8, shape[-1])
    coefficients = (columns.view(-1, 8) @ cosines.T).view(*shape[:2], -1, 8, shape[-1] // 8, 8)
    coefficients = coefficients.div(steps).round_().mul_(steps)
    rows = (coefficients.view(-1, 8) @ cosines).view(*shape[:2], -1, 8, shape[-1])
    return (cosines.T @ rows).view(shape)


def _convert(images: Tensor, matrix: Matrix) -> Tensor:
    return (_constant(matrix, images.device, images.dtype) @ images.flatten(2)).view(images.shape)


@lru_cache(maxsize=16)  # a copy to a GPU would wait for all of its work
def _constant(matrix: Matrix, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.tensor(matrix, device=device, dtype=dtype)


def _quantisation_steps(quality: Tensor) -> tuple[Tensor, Tensor]:
    """Steps of luminance and chrominance, (N, 8, 8), by libjpeg's rule: integers, as in files."""
    quality = quality.float()[:, None, None]
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    standard = (_constant(table, quality.device, quality.dtype) for table in (_LUMINANCE, _CHROMINANCE))
    luminance, chrominance = ((table * percent + 50).div(100).floor().clamp(1, 255) for table in standard)
    return luminance, chrominance


@lru_cache(maxsize=8)
def _cosines(device: torch.device, dtype: torch.dtype) -> Tensor:
    """The matrix (8, 8) of the orthonormal discrete cosine transform."""
    index = torch.arange(8, dtype=torch.float64)
    matrix = 0.5 * torch.cos(math.pi / 16 * index[:, None] * (2 * index[None, :] + 1))
    matrix[0] /= math.sqrt(2)
    return matrix.to(device, dtype)
