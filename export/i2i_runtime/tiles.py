"""Sizes a network can take: pad an image up to one, cut a large one into tiles, and blend their results."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_runtime.card import Card

Float = NDArray[np.float32]

DEFAULT_TILE = 384  # pixels of height and width, or more for a network whose tiles overlap a lot


class Tiling:
    """The largest tile that a network is given at once; it shrinks when memory runs out, and stays so.

    `tile` is a side in pixels of the image, 0 for the whole image. By default it is DEFAULT_TILE, or three times the
    overlap of two tiles if that is more; the size of a file of fixed size, if larger than the overlap; and 0 for a
    network that needs the whole image. `is_whole` says that 0 was asked for. Raises ValueError for a tile that the
    network cannot take.
    """

    def __init__(self, card: Card, tile: int | None = None) -> None:
        self._card, self._step = card, card.tile_step or card.multiple_of
        self.ramp = card.overlap // 8  # pixels over which two tiles are blended, on top of the context
        self._overlap = card.overlap + self.ramp
        # Smaller ones would show the network more overlap than image.
        self._smallest = -(-max(2 * self._overlap, card.min_size) // self._step) * self._step
        if tile and not card.overlap:
            raise ValueError(f"tile: {card.product} needs the whole image; leave the option out")
        if tile and tile < self._smallest:
            raise ValueError(
                f"tile: {tile} is refused; allowed: 0 (the whole image), or from {self._smallest} pixels on"
            )
        self.tile = self._default() if tile is None else tile
        self.is_whole = tile == 0  # on request: also where the network could run over bands of rows

    def _default(self) -> int:
        if self._card.size is None:
            return max(DEFAULT_TILE, 3 * self._overlap, self._smallest) if self._card.overlap else 0
        side = min(self._card.size[1:])
        return side if self._card.overlap and side >= self._smallest else 0

    def axis(self, size: int) -> tuple[NDArray[np.intp], list["Span"]]:
        """Reflect-pad an axis of `size` pixels and cut it into tiles: indices of the padded axis, and its tiles."""
        tile, card = self.tile, self._card
        indices = reflect_indices(size, multiple_of=card.multiple_of, min_size=card.min_size)
        if not tile or len(indices) <= tile:
            return indices, [Span(0, len(indices), 0, len(indices))]
        indices = reflect_indices(size, multiple_of=self._step, min_size=len(indices))
        return indices, spans(len(indices), tile=tile, overlap=self._overlap, ramp=self.ramp, multiple_of=self._step)

    def shrink(self, height: int, width: int) -> None:
        """Halve a tile that was too large for the memory. Raises ValueError when the image allows no smaller one."""
        tile = min(self.tile or max(height, width), max(height, width))
        if not self._card.overlap or tile <= self._smallest:
            why = "no smaller tile is possible" if self._card.overlap else f"{self._card.product} needs it whole"
            raise ValueError(f"{width}x{height} image: not enough memory, and {why}; try a smaller image")
        self.tile = max(tile // 2, self._smallest)


def padded_axes(card: Card, height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of an image, as indices, that reflect-pad it to a size that a network takes."""
    rows, columns = (
        reflect_indices(size, multiple_of=card.multiple_of, min_size=card.min_size) for size in (height, width)
    )
    return rows, columns


def reflect_indices(size: int, *, multiple_of: int, min_size: int) -> NDArray[np.intp]:
    """Indices that reflect-pad an axis of `size` at its end, a small one again and again, to a size that is allowed."""
    padded = -(-max(size, min_size) // multiple_of) * multiple_of
    return np.pad(np.arange(size), (0, padded - size), mode="reflect")


class Span(NamedTuple):
    """A tile along one axis, in pixels: the network takes `start` to `stop`, and `begin` to `end` of its result count.

    Over the first `ramp` pixels from `begin` on, except in the first tile, it is blended with the tile before.
    """

    start: int
    stop: int
    begin: int
    end: int


def spans(size: int, *, tile: int, overlap: int, ramp: int, multiple_of: int = 1) -> list[Span]:
    """Cut an axis into the fewest tiles, all equally large and of at most `tile` pixels, that share at least `overlap`.

    `size` is a multiple of `multiple_of`, and so are all starts and stops; `ramp` is at most half of `overlap`. Seams
    lie in the middle of the overlap, as far from the cut edges of both tiles as can be.
    """
    size, tile, overlap = size // multiple_of, tile // multiple_of, -(-overlap // multiple_of)
    if size <= tile:
        return [Span(0, size * multiple_of, 0, size * multiple_of)]
    number = -(-(size - overlap) // (tile - overlap))
    tile = -(-(size + (number - 1) * overlap) // number)  # no larger than it takes
    starts = [index * (size - tile) // (number - 1) * multiple_of for index in range(number)]
    tile, size = tile * multiple_of, size * multiple_of
    seams = [(start + before + tile - ramp) // 2 for before, start in pairwise(starts)]
    return [
        Span(start, start + tile, begin, end)
        for start, begin, end in zip(starts, [0, *seams], [*seams, size], strict=True)
    ]


def blend(
    run: Callable[[Span, Span], Float], rows: Sequence[Span], columns: Sequence[Span], *, ramp: int, scale: int
) -> Iterator[tuple[int, int, Float]]:
    """Blend the results of tiles into rectangles (top, left, (height, width, channels)) that cover the image once.

    `run` gives the result (height, width, channels) of one tile, `scale` times as large as its spans. Two tiles are
    weighted by ramps that sum to 1. The rows come from the top, and only the seams of one row of tiles are kept,
    whatever the image's height.
    """
    ramp *= scale
    seams: list[Float | None] = [None] * len(columns)  # lower edges of the tiles above
    for row in rows:
        height, skipped_rows = (row.end - row.begin) * scale, (row.begin - row.start) * scale
        seam: Float | None = None  # right edge of the tile to the left
        for index, column in enumerate(columns):
            width, skipped_columns = (column.end - column.begin) * scale, (column.begin - column.start) * scale
            tile = run(row, column)[skipped_rows:, skipped_columns:][: height + ramp, : width + ramp]
            tile = _cross_fade(seam, tile)
            seam, tile = tile[:, width:].copy(), tile[:, :width]
            tile = _cross_fade(seams[index], tile, by_rows=True)
            seams[index], tile = tile[height:].copy(), tile[:height]
            yield row.begin * scale, column.begin * scale, tile


def _cross_fade(seam: Float | None, tile: Float, *, by_rows: bool = False) -> Float:
    """The tile with its first columns (or rows) blended with the seam that the tile before it has for them."""
    if seam is None:
        return tile
    ramp = seam.shape[0 if by_rows else 1]
    weights = ((np.arange(ramp, dtype=np.float32) + 0.5) / max(ramp, 1)).reshape((-1, 1, 1) if by_rows else (1, -1, 1))
    first, rest = (tile[:ramp], tile[ramp:]) if by_rows else (tile[:, :ramp], tile[:, ramp:])
    return np.concatenate([seam + weights * (first - seam), rest], axis=0 if by_rows else 1)
