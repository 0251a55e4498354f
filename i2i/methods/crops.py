"""Random squares of a batch of images."""

from typing import NamedTuple

import torch
from torch import Tensor


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


def draw_crops(images: Tensor, count: int, size: int) -> Crops:
    """`count` squares anywhere in images (N, C, H, W), from torch's random numbers on their device."""
    number, _, height, width = images.shape

    def draw(values: int) -> Tensor:
        return torch.randint(values, (count,), device=images.device)

    return Crops(draw(number), draw(height - size + 1), draw(width - size + 1), size)
