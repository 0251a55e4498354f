"""Sizes and overlaps of tiles with which a network of unknown structure gives the result of the whole image, measured.

A strip of an image goes through the network whole, and a crop of it that begins somewhere in the strip. Where the
crop's result equals that of the whole, nothing beyond the crop's edges was seen: the columns at the edges that differ
are the radius of the receptive field, as far as it shows in a file of 8 bits. A network of windows agrees only where
the crop begins at a multiple of its window. One that pools, normalises or attends over the image agrees nowhere.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Network = Callable[[Tensor], Tensor]

TOLERANCE = 0.25 / 255  # a quarter of a grey level
CROPS = (128, 256)  # pixels, tried in this order
HEIGHT = 64  # of a strip
# Windows of published networks are one of these times a power of two, up to LARGEST_WINDOW.
_WINDOWS = (1, 3, 7)
LARGEST_WINDOW = 64


class TileRule(NamedTuple):
    """Pixels of which beginnings and sizes of tiles are a multiple, and the pixels by which tiles overlap; both 0 for a
    network of whole images.
    """

    step: int
    overlap: int


def measure_tiles(network: Network, *, channels: int, scale: int, multiple_of: int, min_size: int) -> TileRule:
    """Measure the tiles of a network from (1, channels, H, W) in [0, 1] to `scale` times the size.

    H and W may be any multiple of `multiple_of` from `min_size` on. The probe is drawn at random: what lies outside of
    its crop is lighter and has more contrast than what lies in it, so that statistics of the image differ.
    """
    for crop in CROPS:
        if min_size > crop:
            continue
        probe = _Probe(network, channels=channels, scale=scale, height=max(HEIGHT, min_size), crop=crop)
        if (window := probe.window(multiple_of)) is None:
            continue
        across, down = probe.radius(window), probe.transposed().radius(window)
        if across is not None and down is not None:
            radius = max(across, down, 1)
            return TileRule(window, 2 * -(-radius // window) * window)
    return TileRule(0, 0)


class _Probe:
    """A strip of an image, of which a network sees the whole and crops."""

    def __init__(self, network: Network, *, channels: int, scale: int, height: int, crop: int) -> None:
        self._options = {"channels": channels, "scale": scale, "height": height, "crop": crop}
        self._network, self._scale, self._crop = network, scale, crop
        self._strip = _draw_strip(channels, -(-height // LARGEST_WINDOW) * LARGEST_WINDOW, crop)
        self._whole = self._run(self._strip)

    def transposed(self) -> "_Probe":
        """The same probe for a network's columns."""

        def network(image: Tensor) -> Tensor:
            return self._network(image.transpose(2, 3)).transpose(2, 3)

        return _Probe(network, **self._options)

    def window(self, multiple_of: int) -> int | None:
        """The smallest number of pixels, times `multiple_of`, at multiples of which a crop may begin; None where a
        crop never agrees with the whole.
        """
        if self._radius_of(0, self._crop // multiple_of * multiple_of) is None:  # whatever the window
            return None
        for factor in _WINDOWS:
            sizes = [size for size in _doubled(factor * multiple_of) if size <= self._crop // 2]
            if not sizes or self.radius(sizes[-1]) is None:
                continue
            if self.radius(sizes[0]) is not None:
                return sizes[0]
            # Of a window's multiples all agree.
            low, high = 0, len(sizes) - 1
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if self.radius(sizes[middle]) is not None else (middle, high)
            return sizes[high]
        return None

    def radius(self, window: int) -> int | None:
        """Pixels at the edges of crops that differ from the whole, where a crop begins at an odd multiple of `window`;
        None where the middle of one differs, too, or its end where the whole ends: a network that pads images itself
        sees other pixels beyond it.
        """
        width = self._crop // window * window
        first, last = (_odd_multiple(at, window) for at in (self._crop // 2, self._strip.shape[-1] - width))
        radius = self._radius_of(first, first + width)
        at_the_end = None if radius is None else self._radius_of(last, self._strip.shape[-1])
        return None if radius is None or at_the_end is None else max(radius, at_the_end)

    def _radius_of(self, start: int, stop: int) -> int | None:
        crop = self._run(self._strip[..., start:stop])
        whole = self._whole[..., start * self._scale : stop * self._scale]
        width = stop - start
        worst = (crop - whole).abs().amax(dim=(0, 1, 2)).reshape(width, self._scale).amax(dim=1)
        differs = (worst > TOLERANCE).nonzero()[:, 0]
        left, right = differs[differs < width // 2], differs[differs >= width // 2]
        if stop == self._strip.shape[-1] and len(right):
            return None
        radius = max(int(left.max()) + 1 if len(left) else 0, width - int(right.min()) if len(right) else 0)
        return radius if radius <= width * 3 // 8 else None  # a quarter of the crop, its middle, agrees

    def _run(self, image: Tensor) -> Tensor:
        return self._network(image)[..., : image.shape[-1] * self._scale].float().clamp(0, 1)


def _odd_multiple(at: int, window: int) -> int:
    """The last odd multiple of a window up to `at`."""
    times = max(1, at // window)
    return window * (times - 1 + times % 2)


def _doubled(window: int) -> Iterator[int]:
    """A window, and twice, four times that, up to LARGEST_WINDOW."""
    yield window
    while (window := 2 * window) <= LARGEST_WINDOW:
        yield window


def _draw_strip(channels: int, height: int, crop: int) -> Tensor:
    """A strip (1, channels, height, 3.5 * crop) in [0, 1]: smooth colours and noise, a crop's width of middle grey and
    little contrast after half a crop, and light ones of strong contrast beside it.
    """
    width = 7 * crop // 2
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((1, channels, height // 16, width // 16), np.float32))
    smooth = F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    noise = torch.from_numpy(rng.standard_normal((1, channels, height, width), np.float32))
    columns = torch.arange(width)
    inside = ((columns >= crop // 2) & (columns < crop // 2 + crop)).float()
    strength = 0.02 * inside + 0.15 * (1 - inside)
    return (smooth * (0.6 * inside + 0.9 * (1 - inside)) + noise * strength + 0.1 * (1 - inside)).clamp(0, 1)
