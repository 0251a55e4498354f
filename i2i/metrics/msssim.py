"""Structural similarity at five scales.

Wang, Simoncelli, Bovik 2003: Multiscale Structural Similarity for Image Quality Assessment, Asilomar,
https://ece.uwaterloo.ca/~z70wang/publications/msssim.pdf, equation 7; without the luminance of all scales but the last.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.metrics.ssim import C1, C2, WINDOW, blurred

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # section 3.2, from the finest scale to the coarsest
_MIN_SIZE = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1  # pixels: the window fits into the coarsest scale


def ms_ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Mean over channels of (N, C, H, W) images in [0, 1]: (N,), from 0 to 1, which says that they are equal.

    Computed in float64; between scales 2x2 pixels are averaged, an odd last row or column with itself. A scale where
    structures are opposite makes 0. Raises ValueError for different shapes, or sides of less than 161 pixels.
    """
    if image.shape != truth.shape or image.ndim != 4:
        raise ValueError(f"MS-SSIM: shapes {tuple(image.shape)} and {tuple(truth.shape)}; allowed: (N, C, H, W)")
    height, width = image.shape[2:]
    if min(height, width) < _MIN_SIZE:
        raise ValueError(f"MS-SSIM: {width}x{height} pixels are less than the {_MIN_SIZE} that its five scales need")
    channels = zip(image.split(1, dim=1), truth.split(1, dim=1), strict=True)
    return torch.stack([_of_one_channel(x.double(), y.double()) for x, y in channels]).mean(0)


def _of_one_channel(x: Tensor, y: Tensor) -> Tensor:
    result = x.new_ones(len(x))
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = _halved(x), _halved(y)
        mean_x, mean_y = blurred(x), blurred(y)
        variances = blurred(x * x) - mean_x**2 + blurred(y * y) - mean_y**2
        similar = (2 * (blurred(x * y) - mean_x * mean_y) + C2) / (variances + C2)
        if scale == len(WEIGHTS) - 1:
            similar = similar * (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
        result = result * similar.flatten(1).mean(1).clamp(min=0) ** weight
    return result


def _halved(images: Tensor) -> Tensor:
    odd = images.shape[3] % 2, images.shape[2] % 2
    return F.avg_pool2d(F.pad(images, (0, odd[0], 0, odd[1]), mode="replicate"), 2)
