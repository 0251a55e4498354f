"""Bicubic resizing with antialiasing, as MATLAB's `imresize` does it: the one by which super-resolution papers count.

R. G. Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981, with a = -0.5. Where an image shrinks
the kernel is stretched by the factor, so that it averages; borders continue as their mirror image, edge pixel included.
Neither OpenCV (no antialiasing) nor torch and Pillow (another border) give the published figures.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from i2i.data.batch import Pair

_SUPPORT = 4  # pixels that the cubic kernel spans


def imresize(images: Tensor, height: int, width: int) -> Tensor:
    """(N, C, H, W) -> (N, C, height, width) in float; neither rounded nor clipped, and the kernel overshoots edges.

    Raises ValueError for a size below 1 pixel.
    """
    if height < 1 or width < 1:
        raise ValueError(f"imresize: size {width}x{height} is refused; allowed: 1 pixel and more")
    # The axis that shrinks more goes first: less to do for the other.
    axes = sorted(((-2, height), (-1, width)), key=lambda axis: axis[1] / images.shape[axis[0]])
    for axis, size in axes:
        images = _resize_axis(images, axis, size)
    return images


def bicubic_pair(high: Tensor, scale: int) -> Pair:
    """The papers' pair of (N, C, H, W) images in [0, 1]: the target is cut at the bottom and right to a multiple of
    `scale`, the source is that target resized and rounded to 8 bit, as the papers' files are.

    Raises ValueError for images smaller than `scale`.
    """
    target = cut_to_multiple(high, scale)
    return Pair(round_to_8bit(imresize(target, target.shape[-2] // scale, target.shape[-1] // scale)), target)


def cut_to_multiple(images: Tensor, scale: int) -> Tensor:
    """Without the last rows and columns that `scale` does not divide."""
    height, width = images.shape[-2:]
    if min(height, width) < scale:
        raise ValueError(f"degradation: {width}x{height} image is smaller than scale {scale}; leave it out")
    return images[..., : height - height % scale, : width - width % scale]


def round_to_8bit(images: Tensor) -> Tensor:
    """To the nearest of the values 0, 1/255, ..., 1."""
    return (images * 255).round().clamp(0, 255) / 255


def _resize_axis(images: Tensor, axis: int, size: int) -> Tensor:
    length = images.shape[axis]
    if size == length:
        return images
    indices, weights = _taps(length, size, images.device, images.dtype)
    shape = (-1, 1) if axis == -2 else (-1,)
    resized = images.index_select(axis, indices[0]) * weights[0].view(shape)
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        resized.addcmul_(images.index_select(axis, index), weight.view(shape))
    return resized


@lru_cache(maxsize=64)
def _taps(length: int, size: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Which of `length` pixels each of `size` is made of, and how much: indices and weights, (taps, size)."""
    stretch = max(1.0, length / size)
    centers = (np.arange(size) + 0.5) * length / size - 0.5
    first = np.floor(centers - _SUPPORT * stretch / 2)
    offsets = np.arange(int(np.ceil(_SUPPORT * stretch)) + 2)
    positions = first + offsets[:, None]
    weights = _cubic((centers - positions) / stretch)
    weights /= weights.sum(0)
    used = (weights != 0).any(1)
    mirrored = positions[used].astype(np.int64) % (2 * length)
    mirrored = np.minimum(mirrored, 2 * length - 1 - mirrored)
    return torch.from_numpy(mirrored).to(device), torch.from_numpy(weights[used]).to(device, dtype)


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0))
