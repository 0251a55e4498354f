"""Feature maps of one image that are computed a band of rows at a time.

A band is (1, channels, rows, width), and belongs to who asked for it: it may be changed in place.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.networks.generators.base import ImageGenerator
from i2i_runtime.images import Array, to_float
from i2i_runtime.tiles import reflect_indices


class Map(ABC):
    """A feature map of known size and the maps that it is computed from; one that is stored, once it is filled."""

    # Whether computing it means so much work that it is stored, if there is room.
    costly = False

    def __init__(self, channels: int, height: int, width: int, *sources: "Map") -> None:
        self.channels, self.height, self.width, self.sources = channels, height, width, sources
        self.depth: int = 1 + max((source.depth for source in sources), default=0)
        self.store: Store | None = None

    def rows(self, start: int, stop: int) -> Tensor:
        """The band from row `start` up to row `stop`, which must lie within the map."""
        return self.compute(start, stop) if self.store is None else self.store.read(start, stop)

    @abstractmethod
    def compute(self, start: int, stop: int) -> Tensor:
        """The band from the sources."""

    def first(self, row: int) -> int:
        """The first row of the sources that the rows from `row` on depend on."""
        return row


class Store:
    """The rows of a map that were computed and are still needed."""

    def __init__(self) -> None:
        self._bands: dict[int, Tensor] = {}  # by their first row

    def write(self, start: int, band: Tensor) -> None:
        self._bands[start] = band.contiguous()  # not a view into something larger

    def read(self, start: int, stop: int) -> Tensor:
        return torch.cat(
            [
                band[:, :, max(start - at, 0) : stop - at]
                for at, band in self._bands.items()
                if at < stop and at + band.shape[2] > start
            ],
            dim=2,
        )

    def forget(self, row: int) -> None:
        """Free the bands above `row`."""
        self._bands = {at: band for at, band in self._bands.items() if at + band.shape[2] > row}


class Image(Map):
    """An image (H, W, C) on the host, padded to a size that the generator takes, in the generator's range and type."""

    def __init__(self, pixels: Array, generator: ImageGenerator) -> None:
        self._pixels = pixels
        self._rows, self._columns = (
            reflect_indices(size, multiple_of=generator.multiple_of, min_size=generator.min_size)
            for size in pixels.shape[:2]
        )
        super().__init__(pixels.shape[2], len(self._rows), len(self._columns))
        self._low, self._high = generator.value_range
        self._like = next(generator.parameters())

    def compute(self, start: int, stop: int) -> Tensor:
        pixels = to_float(self._pixels[np.ix_(self._rows[start:stop], self._columns)]).transpose(2, 0, 1)[None]
        band = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._like)
        return band * (self._high - self._low) + self._low


class Pointwise(Map):
    """A function of one or several maps that takes each pixel for itself."""

    def __init__(self, function: Callable[..., Tensor], channels: int, *sources: Map) -> None:
        super().__init__(channels, sources[0].height, sources[0].width, *sources)
        self._function = function

    def compute(self, start: int, stop: int) -> Tensor:
        return self._function(*(source.rows(start, stop) for source in self.sources))


class Sum(Pointwise):
    """Two maps added; stored, so that they can go."""

    costly = True

    def __init__(self, one: Map, other: Map) -> None:
        super().__init__(Tensor.add_, one.channels, one, other)


class Convolution(Map):
    """A convolution with zeros around the map, as `torch.nn.functional.conv2d`."""

    costly = True

    def __init__(
        self,
        source: Map,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
        groups: int,
    ) -> None:
        height, width = (
            (size + 2 * zeros - kernel) // step + 1
            for size, zeros, kernel, step in zip(
                (source.height, source.width), padding, weight.shape[2:], stride, strict=True
            )
        )
        super().__init__(len(weight), height, width, source)
        self._weight, self._bias, self._groups = weight, bias, groups
        self._stride, self._padding = stride, padding

    def compute(self, start: int, stop: int) -> Tensor:
        source, padding = self.sources[0], self._padding
        top = start * self._stride[0] - padding[0]
        bottom = (stop - 1) * self._stride[0] - padding[0] + self._weight.shape[2]
        band = source.rows(max(top, 0), min(bottom, source.height))
        if top < 0 or bottom > source.height:
            band = F.pad(band, (0, 0, max(-top, 0), max(bottom - source.height, 0)))
        return F.conv2d(band, self._weight, self._bias, self._stride, (0, padding[1]), groups=self._groups)

    def first(self, row: int) -> int:
        return max(row * self._stride[0] - self._padding[0], 0)


class TransposedConvolution(Map):
    """As `torch.nn.functional.conv_transpose2d`: row i of the source adds to the rows i * stride - padding and on."""

    costly = True

    def __init__(
        self,
        source: Map,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
        output_padding: tuple[int, int],
        groups: int,
    ) -> None:
        height, width = (
            (size - 1) * step - 2 * cut + kernel + more
            for size, step, cut, kernel, more in zip(
                (source.height, source.width), stride, padding, weight.shape[2:], output_padding, strict=True
            )
        )
        super().__init__(weight.shape[1] * groups, height, width, source)
        self._weight, self._bias, self._groups = weight, bias, groups
        self._stride, self._padding, self._output_padding = stride, padding, output_padding

    def compute(self, start: int, stop: int) -> Tensor:
        source, stride, padding = self.sources[0], self._stride, self._padding
        first, last = self.first(start), min((stop - 1 + padding[0]) // stride[0], source.height - 1)
        above = start - (first * stride[0] - padding[0])
        below = (last - first) * stride[0] + self._weight.shape[2] - above - (stop - start)
        cut = min(above, below)  # rows that need not be computed; the layer can leave out equally many at both ends
        band = F.conv_transpose2d(
            source.rows(first, last + 1),
            self._weight,
            self._bias,
            stride,
            (cut, padding[1]),
            (0, self._output_padding[1]),
            self._groups,
        )
        return band.narrow(2, above - cut, stop - start)

    def first(self, row: int) -> int:
        return max(-((self._weight.shape[2] - 1 - row - self._padding[0]) // self._stride[0]), 0)


class Reflection(Map):
    """A map continued by its reflection, the same number of pixels to each side."""

    def __init__(self, source: Map, padding: int) -> None:
        super().__init__(source.channels, source.height + 2 * padding, source.width + 2 * padding, source)
        self._padding = padding
        self._reflected = np.pad(np.arange(source.height), padding, mode="reflect")

    def compute(self, start: int, stop: int) -> Tensor:
        wanted = self._reflected[start:stop]
        top, bottom = wanted.min(), wanted.max() + 1
        band = self.sources[0].rows(int(top), int(bottom))
        if (np.diff(wanted) != 1).any():
            band = band[:, :, torch.from_numpy(wanted - top).to(band.device)]
        return F.pad(band, (self._padding, self._padding, 0, 0), mode="reflect")

    def first(self, row: int) -> int:
        return int(self._reflected[row:].min())


class Repetition(Map):
    """Every pixel `factor` times in both directions (up-sampling by nearest neighbour)."""

    def __init__(self, source: Map, factor: int) -> None:
        super().__init__(source.channels, source.height * factor, source.width * factor, source)
        self._factor = factor

    def compute(self, start: int, stop: int) -> Tensor:
        first = self.first(start)
        band = F.interpolate(self.sources[0].rows(first, self.first(stop - 1) + 1), scale_factor=self._factor)
        return band.narrow(2, start - first * self._factor, stop - start)

    def first(self, row: int) -> int:
        return row // self._factor
