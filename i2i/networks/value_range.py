"""Conversion of images between a network's range of values and that of files."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class ValueRange(NamedTuple):
    """The lowest and the highest value of a network's images: `ValueRange(*generator.value_range)`."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """The difference of black and white."""
        return self.high - self.low

    def to_unit(self, images: Tensor) -> Tensor:
        """Images of this range in [0, 1]; values outside of it are not clipped."""
        return images if self == (0, 1) else (images - self.low) / self.width

    def from_unit(self, images: Tensor) -> Tensor:
        """Images of [0, 1] in this range."""
        return images if self == (0, 1) else images * self.width + self.low

    def to_levels(self, images: Tensor) -> Tensor:
        """Images of this range as float32 in [0, 1], clipped and rounded to the 256 levels of 8-bit files."""
        return self.to_unit(images.detach().float()).clamp(0, 1).mul(255).round() / 255

    def to_pixels(self, images: Tensor) -> NDArray[np.uint8]:
        """(N, C, H, W) of this range, clipped and rounded -> uint8 (N, H, W, C)."""
        levels = self.to_unit(images.detach().float()).clamp(0, 1).mul(255).round().byte()
        return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())
