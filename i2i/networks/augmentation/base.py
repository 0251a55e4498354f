"""What all augmentations in front of a discriminator have: their contract and their random numbers."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from i2i.networks.value_range import ValueRange


class Augmentation(nn.Module, ABC):
    """A random, differentiable change of images (N, C, H, W) in `value_range`, of each another one.

    The first `condition_channels` channels are a condition, such as a label map: they are moved and cut as the image
    behind them, but keep their colours. With `copies` the batch has so many parts of equal size, whose first images are
    changed alike, as are their second ones and so on.
    """

    def __init__(self, *, condition_channels: int = 0, value_range: tuple[float, float] = (-1.0, 1.0)) -> None:
        super().__init__()
        self.condition_channels, self.value_range = condition_channels, ValueRange(*value_range)

    def forward(self, images: Tensor, copies: int = 1) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            if self.value_range == (-1, 1):
                return self.change(images, copies)
            changed = self.change(self.value_range.to_unit(images) * 2 - 1, copies)
            return self.value_range.from_unit((changed + 1) / 2)

    @abstractmethod
    def change(self, images: Tensor, copies: int) -> Tensor:
        """Change images in [-1, 1]; the result may leave this range."""


class Draws:
    """Random numbers (N, columns), from torch's own generators, for a batch of N images.

    With `copies` the first images of so many parts of the batch have the same row, as have the second ones and so on.
    """

    def __init__(self, count: int, device: torch.device, *, copies: int = 1) -> None:
        self._rows, self.device, self._copies = count // copies, device, copies

    def uniform(self, low: float, high: float, columns: int = 1) -> Tensor:
        """Numbers from `low` to `high`."""
        return self._copied(low + (high - low) * torch.rand(self._rows, columns, device=self.device))

    def normal(self, deviation: float, columns: int = 1) -> Tensor:
        """Numbers of mean 0 and this standard deviation."""
        return self._copied(deviation * torch.randn(self._rows, columns, device=self.device))

    def integers(self, low: int, high: int) -> Tensor:
        """Whole numbers (N, 1), int64, from `low` to `high`, both included."""
        return self._copied(torch.randint(low, high + 1, (self._rows, 1), device=self.device))

    def _copied(self, rows: Tensor) -> Tensor:
        return rows.repeat(self._copies, 1)
