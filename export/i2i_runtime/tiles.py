"""Sizes a network can take: pad an image up to one, cut a large one into tiles, and join their results."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_runtime.card import Card

Float = NDArray[np.float32]

TILE = 384  # pixels of height and width, unless told, or more for a network whose tiles share much


class Tiling:
    """How large a piece of an image a network is given at once. It shrinks when memory runs out, and stays so.

    `tile` is in pixels of the image, 0 for the whole. By default images are whole up to TILE pixels, or up to three
    times what tiles share if that is more, and always for a network that needs that. Raises ValueError for a tile that
    the network cannot take.
    """

    def __init__(self, card: Card, tile: int | None = None) -> None:
        self._card = card
        self.ramp = card.overlap // 8  # pixels over which a tile goes over into the next, on top of the context
        self._shared = card.overlap + self.ramp
        # Smaller ones would show the network more overlap than image.
        self._smallest = -(-max(2 * self._shared, card.min_size) // card.multiple_of) * card.multiple_of
        if tile and not card.overlap:
            raise ValueError(f"tile: {card.product} needs the whole image; leave the option out")
        if tile and tile < self._smallest:
            raise ValueError(
                f"tile: {tile} is refused; allowed: 0 (the whole image), or from {self._smallest} pixels on"
            )
        by_default = max(TILE, 3 * self._shared, self._smallest) if card.overlap else 0
        self.tile = by_default if tile is None else tile

    def spans(self, size: int) -> list["Span"]:
        """The tiles along an axis of `size` pixels, a size that the network takes."""
        tile, multiple_of = self.tile or size, self._card.multiple_of
        return spans(size, tile=tile, overlap=self._shared, ramp=self.ramp, multiple_of=multiple_of)

    def shrink(self, height: int, width: int) -> None:
        """Halve the tile, which was too large for the memory, given the image's size. Raises ValueError at the end."""
        tile = min(self.tile or max(height, width), max(height, width))
        if not self._card.overlap or tile <= self._smallest:
            why = "no smaller tile is possible" if self._card.overlap else f"{self._card.product} needs it whole"
            raise ValueError(f"{width}x{height} image: not enough memory, and {why}; try a smaller image")
        self.tile = max(tile // 2, self._smallest)


def reflected(size: int, *, multiple_of: int, min_size: int) -> NDArray[np.intp]:
    """The rows (or columns) of an image of `size`, as indices, that make up the padded one; for arrays and tensors.

    It is reflected at the end until its size is a multiple and not below the minimum, again and again if it is small.
    """
    padded = -(-max(size, min_size) // multiple_of) * multiple_of
    return np.pad(np.arange(size), (0, padded - size), mode="reflect")


class Span(NamedTuple):
    """One tile along one axis: it shows the network `start` to `stop`, and its result counts from `begin` to `end`.

    Over the first `ramp` pixels from `begin` on, except in the first tile, it is blended with the tile before.
    """

    start: int
    stop: int
    begin: int
    end: int


def spans(size: int, *, tile: int, overlap: int, ramp: int, multiple_of: int = 1) -> list[Span]:
    """The fewest tiles of at most `tile` pixels that share at least `overlap` with their neighbours, all equally large.

    `size` is a multiple of `multiple_of`, and so are all starts and stops; `ramp` is at most half of `overlap`. Seams
    lie in the middle of what two tiles share, as far from the cut edges of both as can be.
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


def blended(
    run: Callable[[Span, Span], Float], rows: Sequence[Span], columns: Sequence[Span], *, ramp: int, scale: int
) -> Iterator[tuple[int, int, Float]]:
    """The result in rectangles (top, left, (height, width, channels)): every pixel of it once, the rows from the top.

    `run` gives the result (height, width, channels) of one tile, `scale` times as large as its spans. Two tiles are
    weighted by ramps that sum to 1. Only the seams of one row of tiles are kept, whatever the image's height.
    """
    ramp *= scale
    above: list[Float | None] = [None] * len(columns)
    for row in rows:
        height, skipped_rows = (row.end - row.begin) * scale, (row.begin - row.start) * scale
        before: Float | None = None
        for index, column in enumerate(columns):
            width, skipped_columns = (column.end - column.begin) * scale, (column.begin - column.start) * scale
            tile = run(row, column)[skipped_rows:, skipped_columns:][: height + ramp, : width + ramp]
            tile = _blend(before, tile)
            before, tile = tile[:, width:].copy(), tile[:, :width]
            tile = _blend(above[index], tile, by_rows=True)
            above[index], tile = tile[height:].copy(), tile[:height]
            yield row.begin * scale, column.begin * scale, tile


def _blend(before: Float | None, tile: Float, *, by_rows: bool = False) -> Float:
    """The tile whose first columns (or rows) go over from what the tile before it has for them."""
    if before is None:
        return tile
    ramp = before.shape[0 if by_rows else 1]
    weights = ((np.arange(ramp, dtype=np.float32) + 0.5) / max(ramp, 1)).reshape((-1, 1, 1) if by_rows else (1, -1, 1))
    first, rest = (tile[:ramp], tile[ramp:]) if by_rows else (tile[:, :ramp], tile[:, ramp:])
    return np.concatenate([before + weights * (first - before), rest], axis=0 if by_rows else 1)
