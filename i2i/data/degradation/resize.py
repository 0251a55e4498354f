"""Bicubic resizing with antialiasing as by MATLAB's `imresize`, which super-resolution papers evaluate with.

R. G. Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981, with a = -0.5. Where an image shrinks,
the kernel is widened by the factor; borders are mirrored, edge pixel included. Neither OpenCV (no antialiasing) nor
torch and Pillow (another border) give the published figures.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from i2i.data.batch import Pair

_SUPPORT = 4  # pixels under the cubic kernel


def imresize(images: Tensor, height: int, width: int) -> Tensor:
    """(N, C, H, W) -> (N, C, height, width) in float; neither rounded nor clipped, and the kernel overshoots edges.

    Raises ValueError for a size below 1 pixel.
    """
    if height < 1 or width < 1:
        raise ValueError(f"imresize: size {width}x{height} is refused; allowed: 1 pixel and more")
    # The axis that shrinks more goes first, which leaves less work for the other.
    axes = sorted(((-2, height), (-1, width)), key=lambda axis: axis[1] / images.shape[axis[0]])
    for axis, size in axes:
        images = _resize_axis(images, axis, size)
    return images


def bicubic_pair(high: Tensor, scale: int) -> Pair:
    """Pairs of images (N, C, H, W) in [0, 1]: targets cropped to a multiple of `scale`, sources resized and rounded to
    8 bit, as the papers' files are. Raises ValueError for images smaller than `scale`.
    """
    target = crop_to_multiple(high, scale)
    return Pair(round_to_8bit(imresize(target, target.shape[-2] // scale, target.shape[-1] // scale)), target)


def crop_to_multiple(images: Tensor, scale: int) -> Tensor:
    """Images cropped at the bottom and right to multiples of `scale`. Raises ValueError for those smaller than it."""
    height, width = images.shape[-2:]
    if min(height, width) < scale:
        raise ValueError(f"degradation: {width}x{height} image is smaller than scale {scale}; leave it out")
    return images[..., : height - height % scale, : width - width % scale]


def round_to_8bit(images: Tensor) -> Tensor:
    """Values rounded to the nearest of 0, 1/255, ..., 1."""
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
    """Indices and weights, (taps, size), of the input pixels whose sums are the output pixels."""
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
