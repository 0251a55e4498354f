"""Crops of real images that show what crops of rendered ones show, so that a discriminator which sees nothing else
does not take a different layout for a difference in style.

Richter, Al Haija, Koltun 2021: Enhancing Photorealism Enhancement, section 3.4, https://arxiv.org/abs/2105.04619.
There, crops are matched by features of VGG; here, by the classes that they show, and their height in the image.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

CANDIDATES = 16  # crops of all target images that one crop of a source has to choose from


class Crops(NamedTuple):
    """Squares of `size` pixels in a batch of images: int64 (K,) each, the number of the image and the first pixel."""

    image: Tensor
    top: Tensor
    left: Tensor
    size: int

    def of(self, images: Tensor) -> Tensor:
        """The squares (K, C, size, size) of images (N, C, H, W)."""
        inside = torch.arange(self.size, device=images.device)
        rows, columns = self.top[:, None, None] + inside[:, None], self.left[:, None, None] + inside
        return images.permute(1, 0, 2, 3)[:, self.image[:, None, None], rows, columns].transpose(0, 1).contiguous()

    def histograms(self, classes: Tensor) -> Tensor:
        """Share of each class in every square (K, C), from maps of classes (N, C, H, W) that are one-hot or probable;
        pixels without a class do not count.
        """
        corners = F.pad(classes.cumsum(2).cumsum(3), (1, 0, 1, 0))  # sums of all that is above and left of a corner
        bottom, right = self.top + self.size, self.left + self.size
        sums = [
            corners[self.image, :, row, column]
            for row, column in ((bottom, right), (self.top, right), (bottom, self.left), (self.top, self.left))
        ]
        counts = (sums[0] - sums[1] - sums[2] + sums[3]).clamp(min=0)
        return counts / counts.sum(1, keepdim=True).clamp(min=1)


def draw_crops(images: Tensor, count: int, size: int) -> Crops:
    """`count` squares anywhere in images (N, C, H, W), from torch's random numbers on their device."""
    number, _, height, width = images.shape

    def draw(values: int) -> Tensor:
        return torch.randint(values, (count,), device=images.device)

    return Crops(draw(number), draw(height - size + 1), draw(width - size + 1), size)


def match_crops(source: Tensor, target: Tensor, count: int, size: int) -> tuple[Crops, Crops]:
    """`count` squares of the source images, and for each the one that is most like it among `CANDIDATES` for each of
    the target images, all drawn anew.

    Both are maps of classes (N, C, H, W). The distance is that of the histograms (L1) plus that of the relative
    heights.
    """
    wanted = draw_crops(source, count, size)
    offered = draw_crops(target, CANDIDATES * count, size)
    heights = [crops.top / images.shape[2] for crops, images in ((wanted, source), (offered, target))]
    distance = torch.cdist(wanted.histograms(source), offered.histograms(target), p=1)
    distance = distance + (heights[0][:, None] - heights[1]).abs()
    nearest = distance.argmin(1)
    return wanted, Crops(offered.image[nearest], offered.top[nearest], offered.left[nearest], size)
