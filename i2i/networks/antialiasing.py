"""Anti-aliased resampling, which filters what a coarser grid of pixels cannot hold.

Zhang 2019: Making Convolutional Networks Shift-Invariant Again, section 3.2, https://arxiv.org/abs/1904.11486.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AntialiasedDownsample(nn.Module):
    """Down-sampling by 2 behind the filter [1, 2, 1] / 4 in both directions; edges are mirrored.

    Shapes: (N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2)); H and W are at least 2.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Not on the default device: a network may be built without values, and a constant is in no file.
        taps = torch.tensor([1.0, 2.0, 1.0], device="cpu") / 4
        self.register_buffer("kernel", torch.outer(taps, taps)[None, None], persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        channels = features.shape[1]
        padded = F.pad(features, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(padded, self.kernel.expand(channels, -1, -1, -1), stride=2, groups=channels)


class AntialiasedUpsample(nn.Upsample):
    """Up-sampling by 2 with the filter [1, 3, 3, 1] / 4 in both directions between zeros; edges are repeated. That is
    bilinear interpolation.

    Shapes: (N, C, H, W) -> (N, C, 2 * H, 2 * W).
    """

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="bilinear", align_corners=False)
