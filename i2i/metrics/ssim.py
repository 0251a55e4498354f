"""Structural similarity (SSIM) of two images: luminance, contrast and structure, window by window; higher is better.

Wang, Bovik, Sheikh, Simoncelli 2004: Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP
13(4), section III-C; with the constants and the window of its published code, https://ece.uwaterloo.ca/~z70wang/research/ssim/.
"""

import torch
from torch import Tensor

WINDOW, _SIGMA = 11, 1.5  # pixels
C1, C2 = 0.01**2, 0.03**2  # (K1 L)^2 and (K2 L)^2 for values up to L = 1


def ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Mean SSIM (equation 13) of images (N, C, H, W) in [0, 1]: (N,), at most 1, which equal images have.

    In float64, over windows that lie wholly in the image, averaged over pixels and channels. Raises ValueError for
    images of different shapes, or smaller than the window of 11 pixels.
    """
    if image.shape != truth.shape or image.ndim != 4:
        raise ValueError(f"ssim: images of shapes {tuple(image.shape)} and {tuple(truth.shape)}; allowed: (N, C, H, W)")
    height, width = image.shape[2:]
    if min(height, width) < WINDOW:
        raise ValueError(f"ssim: {width}x{height} pixels are less than its window of {WINDOW}")
    # Channel by channel: the maps of a whole photo in float64 are large.
    channels = zip(image.split(1, dim=1), truth.split(1, dim=1), strict=True)
    return torch.stack([_ssim_of_channel(x.double(), y.double()) for x, y in channels]).mean(0)


def _ssim_of_channel(x: Tensor, y: Tensor) -> Tensor:
    mean_x, mean_y = gaussian_filter(x), gaussian_filter(y)
    variance_x = gaussian_filter(x * x) - mean_x * mean_x
    variance_y = gaussian_filter(y * y) - mean_y * mean_y
    covariance = gaussian_filter(x * y) - mean_x * mean_y
    numerator = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    return (numerator / ((mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2))).flatten(1).mean(1)


def gaussian_filter(images: Tensor) -> Tensor:
    """Images (N, C, H, W) averaged by the Gaussian window: (N, C, H - 10, W - 10)."""
    offsets = torch.arange(WINDOW) - WINDOW // 2
    weights = torch.exp(-(offsets.double() ** 2) / (2 * _SIGMA**2))
    window = (weights / weights.sum()).tolist()
    for axis in (2, 3):
        size = images.shape[axis] - WINDOW + 1
        # A sum of shifted images: in float64 on a CPU 14 times as fast as a convolution.
        shifted = [images.narrow(axis, start, size) for start in range(WINDOW)]
        total = shifted[0] * window[0]
        for image, weight in zip(shifted[1:], window[1:], strict=True):
            total.add_(image, alpha=weight)
        images = total
    return images
