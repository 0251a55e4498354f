"""Unsharp masking, by which Real-ESRGAN sharpens its targets."""

import torch
from torch import Tensor

from i2i.data.degradation.blur import blur_separable

# Of the published code; sigma is OpenCV's default for a window of 51.
WINDOW, SIGMA, WEIGHT, THRESHOLD = 51, 8.0, 0.5, 10 / 255


@torch.no_grad()
def sharpen(images: Tensor) -> Tensor:
    """(N, C, H, W) images in [0, 1], sharpened where they differ from their blur by more than the threshold.

    X. Wang et al., "Real-ESRGAN", 2021, section 3.5 and the published code. The mask is blurred too. Autocast is off:
    the threshold would be three steps of half precision.
    """
    with torch.autocast(images.device.type, enabled=False):
        offset = torch.arange(WINDOW, device=images.device, dtype=images.dtype) - WINDOW // 2
        taps = torch.exp(-(offset**2) / (2 * SIGMA**2))
        taps /= taps.sum()
        detail = images - blur_separable(images, taps)
        mask = blur_separable(detail.abs().gt_(THRESHOLD), taps)
        return torch.lerp(images, torch.add(images, detail, alpha=WEIGHT).clamp_(0, 1), mask)
