"""The mix of MS-SSIM and L1 that people train upscalers with.

Zhao, Gallo, Frosio, Kautz 2017: Loss Functions for Image Restoration with Neural Networks, IEEE TCI 3(1), section III,
https://arxiv.org/abs/1511.08861; exponents, narrowest window and share as in traiNNer-redux,
https://github.com/the-database/traiNNer-redux.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.losses.pixel import PixelLoss
from i2i.recipe.ranges import Probability
from i2i.registry import pixel_losses

SIGMAS = (0.1, 1.0, 2.0, 4.0, 8.0)  # of the windows in pixels: scales without down-sampling (section III-C)
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales (Wang 2003)
RADIUS = 16  # of every window: two deviations of the widest
C1, C2 = 0.01**2, 0.03**2  # for values up to 1


@pixel_losses.register("ms-ssim-l1")
class MSSSIMAndL1(PixelLoss):
    """MS-SSIM and L1 (Zhao 2017): `share` times 1 - MS-SSIM, plus the rest times the mean absolute error, both in
    windows about every pixel. For images of at least 2 pixels; the paper's share is 0.84, traiNNer-redux's 0.1.
    """

    def __init__(self, *, share: Probability = 0.1) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share = {share} is refused; allowed: 0 to 1")
        self.share = share

    def distance(self, fake: Tensor, target: Tensor) -> Tensor:
        error = _blurred((fake - target).abs(), SIGMAS[-1]).mean()
        return self.share * (1 - _ms_ssim(fake, target)).mean() + (1 - self.share) * error


def _ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    """MS-SSIM about every pixel (equation 8), the product over channels: (N, C, H, W) -> (N, H, W)."""
    result = x.new_ones(())
    for sigma, exponent in zip(SIGMAS, EXPONENTS, strict=True):
        maps = torch.cat([x, y, x * x, y * y, x * y], 1)
        mean_x, mean_y, square_x, square_y, product = _blurred(maps, sigma).chunk(5, 1)
        covariance = product - mean_x * mean_y
        variances = square_x - mean_x**2 + square_y - mean_y**2
        structure = (2 * covariance + C2) / (variances + C2)
        # A power below 1 has no slope at 0.
        result = result * structure.clamp(min=1e-6).pow(exponent)
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)  # of the widest window alone
    return (luminance * result).prod(1)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    """Images averaged by a Gaussian window about every pixel; edge pixels are repeated beyond the border."""
    offsets = torch.arange(-RADIUS, RADIUS + 1, device=images.device, dtype=images.dtype)
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    taps = taps / taps.sum()
    padded = F.pad(images, (RADIUS,) * 4, mode="replicate")
    # Depth-wise, along one axis after the other.
    channels = images.shape[1]
    rows = F.conv2d(padded, taps.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return F.conv2d(rows, taps.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
