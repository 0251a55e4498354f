"""Resizing by one of six filters, with antialiasing, as Pillow has them.

Turkowski 1990: Filters for Common Resampling Tasks, in Graphics Gems. A filter is widened where an image shrinks; at
the border, what lies outside has no weight, unlike MATLAB's `imresize` (`i2i.data.degradation.resize`).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Filter = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
FILTERS: tuple[Filter, ...] = get_args(Filter)
Weights = NDArray[np.float64]


def resample(images: Tensor, height: int, width: int, name: Filter) -> Tensor:
    """(N, C, H, W) -> (N, C, height, width); neither rounded nor clipped, and some filters overshoot edges."""
    rows, columns = (
        _matrix(before, after, name).to(images)
        for before, after in zip(images.shape[-2:], (height, width), strict=True)
    )
    return rows @ images @ columns.mT


@lru_cache(maxsize=64)
def _matrix(before: int, after: int, name: Filter) -> Tensor:
    """The weights (after, before) of the pixels along an axis."""
    centres, pixels = (np.arange(after)[:, None] + 0.5) * (before / after), np.arange(before)
    if name == "nearest":
        return torch.from_numpy((np.floor(centres) == pixels).astype(np.float64))
    support, kernel = _KERNELS[name]
    stretch = max(1.0, before / after)
    reach = support * stretch
    # Pillow takes the pixels whose centres round into the support.
    inside = (pixels >= np.floor(centres - reach + 0.5)) & (pixels < np.floor(centres + reach + 0.5))
    weights = np.where(inside, kernel((pixels - centres + 0.5) * (1 / stretch)), 0)
    return torch.from_numpy(weights / weights.sum(1, keepdims=True))


def _box(x: Weights) -> Weights:
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


def _triangle(x: Weights) -> Weights:
    return np.maximum(1 - np.abs(x), 0)


def _hamming(x: Weights) -> Weights:
    return np.where(np.abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0)


def _cubic(x: Weights) -> Weights:
    """Keys 1981, with a = -0.5."""
    x = np.abs(x)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: Weights) -> Weights:
    return np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0)


# Half of the width in pixels, and the kernel.
_KERNELS: dict[str, tuple[float, Callable[[Weights], Weights]]] = {
    "box": (0.5, _box),
    "bilinear": (1.0, _triangle),
    "hamming": (1.0, _hamming),
    "bicubic": (2.0, _cubic),
    "lanczos": (3.0, _lanczos),
}
