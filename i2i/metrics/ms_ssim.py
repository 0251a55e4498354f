"""Multi-scale structural similarity (MS-SSIM) of two images, at five scales; higher is better.

Wang, Simoncelli, Bovik 2003: Multiscale Structural Similarity for Image Quality Assessment, Asilomar,
https://ece.uwaterloo.ca/~z70wang/publications/msssim.pdf, equation 7: luminance counts at the coarsest scale alone.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.metrics.ssim import C1, C2, WINDOW, gaussian_filter

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # section 3.2, from the finest scale to the coarsest
_MIN_SIZE = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1  # pixels: the window fits into the coarsest scale


def ms_ssim(image: Tensor, truth: Tensor) -> Tensor:
    """MS-SSIM of images (N, C, H, W) in [0, 1]: (N,) in [0, 1], the mean over channels; 1 for equal images.

    In float64; 2x2 pixels are averaged between scales, an odd last row or column with itself. A scale whose structures
    are opposite makes 0. Raises ValueError for different shapes, or sides of less than 161 pixels.
    """
    if image.shape != truth.shape or image.ndim != 4:
        raise ValueError(f"MS-SSIM: shapes {tuple(image.shape)} and {tuple(truth.shape)}; allowed: (N, C, H, W)")
    height, width = image.shape[2:]
    if min(height, width) < _MIN_SIZE:
        raise ValueError(f"MS-SSIM: {width}x{height} pixels are less than the {_MIN_SIZE} that its five scales need")
    channels = zip(image.split(1, dim=1), truth.split(1, dim=1), strict=True)
    return torch.stack([_ms_ssim_of_channel(x.double(), y.double()) for x, y in channels]).mean(0)


def _ms_ssim_of_channel(x: Tensor, y: Tensor) -> Tensor:
    result = x.new_ones(len(x))
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = _downsample(x), _downsample(y)
        mean_x, mean_y = gaussian_filter(x), gaussian_filter(y)
        variances = gaussian_filter(x * x) - mean_x**2 + gaussian_filter(y * y) - mean_y**2
        similarity = (2 * (gaussian_filter(x * y) - mean_x * mean_y) + C2) / (variances + C2)
        if scale == len(WEIGHTS) - 1:
            similarity = similarity * (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
        result = result * similarity.flatten(1).mean(1).clamp(min=0) ** weight
    return result


def _downsample(images: Tensor) -> Tensor:
    padding = (0, images.shape[3] % 2, 0, images.shape[2] % 2)
    return F.avg_pool2d(F.pad(images, padding, mode="replicate"), 2)
