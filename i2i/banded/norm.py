"""Instance norm of a map that is never whole in memory."""

import torch
from torch import Tensor

from i2i.banded.maps import Map


class Moments:
    """Count, mean and variance of each channel, merged from bands in float64 on the CPU."""

    def __init__(self, channels: int) -> None:
        self.count = 0
        self.mean = torch.zeros(channels, dtype=torch.float64)
        self._squares = torch.zeros(channels, dtype=torch.float64)  # of the distances from the mean, summed up: M2

    def merge(self, band: Tensor) -> None:
        """Add a band (1, channels, rows, width), which is overwritten."""
        values = _wide(band)
        count, mean = values[0, 0].numel(), values.mean((0, 2, 3), keepdim=True)
        squares = values.sub_(mean).square_().mean((0, 2, 3)).cpu().double() * count
        distance = mean.flatten().cpu().double() - self.mean
        both = self.count + count
        self.mean += distance * (count / both)
        self._squares += squares + distance.square() * (self.count * count / both)
        self.count = both

    @property
    def variance(self) -> Tensor:
        """Of the values themselves, not the corrected one of a population that they were drawn from."""
        return self._squares / self.count


class InstanceNorm(Map):
    """Each channel with mean 0 and variance 1, then `weight` and `bias`; its `moments` come before its rows."""

    def __init__(self, source: Map, weight: Tensor | None, bias: Tensor | None, eps: float) -> None:
        super().__init__(source.channels, source.height, source.width, source)
        self.moments = Moments(source.channels)
        self._weight, self._bias, self._eps = weight, bias, eps

    def compute(self, start: int, stop: int) -> Tensor:
        band = self.sources[0].rows(start, stop)
        values = _wide(band)
        scale = (self.moments.variance + self._eps).rsqrt()
        values.sub_(_shaped(self.moments.mean, values)).mul_(_shaped(scale, values))
        if self._weight is not None:
            values.mul_(_shaped(self._weight, values))
        if self._bias is not None:
            values.add_(_shaped(self._bias, values))
        return values.to(band.dtype)


def _wide(band: Tensor) -> Tensor:
    """Half precision as float32, in which networks compute statistics; others as they are."""
    return band.to(torch.promote_types(band.dtype, torch.float32))


def _shaped(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype).to(like.device)[:, None, None]
