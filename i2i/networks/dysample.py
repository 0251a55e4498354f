"""Up-sampling at learned points.

Liu, Lu, Fu, Cao 2023: Learning to Upsample by Learning to Sample, https://arxiv.org/abs/2308.15085; with the
convolution at the end that neosr adds (https://github.com/neosr-project/neosr).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DySample(nn.Module):
    """Bilinear interpolation at points that the features move, in `groups` of channels, then a 1x1 convolution to
    `out_channels`; None for no convolution.

    Shapes: (N, channels, H, W) -> (N, out_channels or channels, scale * H, scale * W); `channels` is a multiple of
    `groups`.
    """

    def __init__(self, channels: int, out_channels: int | None, *, scale: int, groups: int) -> None:
        super().__init__()
        self.scale, self.groups = scale, groups
        self.offset = nn.Conv2d(channels, 2 * groups * scale**2, 1)
        self.scope = nn.Conv2d(channels, 2 * groups * scale**2, 1, bias=False)
        self.last = nn.Conv2d(channels, out_channels, 1) if out_channels else nn.Identity()
        nn.init.trunc_normal_(self.offset.weight, std=0.02)
        nn.init.zeros_(self.scope.weight)

    def forward(self, image: Tensor) -> Tensor:
        number, _, height, width = image.shape
        move = self.offset(image) * self.scope(image).sigmoid() * 0.5  # equation 8
        lengths = (width, height)
        axes = [
            # The points of a pixel are channels; pixel shuffle lays them out. They are counted in pixels of the input.
            2 * (F.pixel_shuffle(each, self.scale) + self._centres(image, length, axis)) / length - 1
            for each, length, axis in zip(move.chunk(2, 1), lengths, (-1, -2), strict=True)
        ]
        grid = torch.stack(axes, -1)
        sampled = F.grid_sample(
            image.reshape(number * self.groups, -1, height, width),
            grid.flatten(0, 1),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return self.last(sampled.reshape(number, -1, self.scale * height, self.scale * width))

    def _centres(self, image: Tensor, length: int, axis: int) -> Tensor:
        """The centres of the result's pixels along an axis, where the points are that nothing moves."""
        centres = torch.arange(self.scale * length, device=image.device, dtype=image.dtype).add(0.5).div(self.scale)
        return centres if axis == -1 else centres[:, None]
