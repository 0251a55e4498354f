"""Large images through a network that needs the whole image, exactly, a band of rows at a time.

Instance norm wants the mean and the variance of the whole map, so that tiles would change the picture. So an exported
file is run in parts, from one norm to the next, each over bands of rows, of which it is given as many more as the cut
edges spoil. The maps between the parts are stored, and measured on the way. Full-size ones are made twice instead. What
parts there are stands in the file (`i2i_runtime.bands.plan`), where `i2i export` put it when it had proven it.

Memory beside image and result: about 15 bands of ROWS rows, that is 2 * width * features kilobytes for the ResNet in
float32, whatever the height. Temporary files, for the ResNet: at most 4 * features bytes per pixel of the image.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from i2i_runtime import tiles
from i2i_runtime.bands.onnx_subgraph import End, Graph
from i2i_runtime.bands.plan import Map
from i2i_runtime.bands.row_store import Band, Statistics, Store
from i2i_runtime.card import Card
from i2i_runtime.images import Array, from_float, to_float

# Of a map, per band. Deeper maps have more channels in smaller rows, so that it is about as much memory in each.
ROWS = 32

Part = Callable[[dict[str, Array]], Array]  # what a part of the graph makes of maps, by their names


def run_in_bands(
    file: bytes,
    plan: Sequence[Map],
    card: Card,
    pixels: Array,
    out: Array,
    open_part: Callable[[bytes], Part],
    *,
    rows: int = ROWS,
) -> None:
    """Fill `out` (H * scale, W * scale, C') with what the whole file makes of `pixels` (H, W, C) in the same type.

    `open_part` is what runs a file that was cut out of `file`. `rows` of a map are made at once; they change memory and
    time, nothing else. Raises ValueError for values that are not finite, and OSError where there is no room for
    temporary files.
    """
    run = _Run(Graph(file), plan, _Image(pixels, card), open_part, rows)
    height, width = out.shape[:2]
    for start, band in run.result():
        shown = band[0, :, : max(0, height - start), :width]  # what the padding became is cut off
        if not np.isfinite(shown).all():
            raise ValueError(f"{card.product} gave values that are not finite; check its weights and precision")
        out[start : start + shown.shape[1]] = from_float(shown.transpose(1, 2, 0).astype(np.float32), out.dtype)


class _Image:
    """An image (H, W, C) padded to a size that the card allows."""

    def __init__(self, pixels: Array, card: Card) -> None:
        self._pixels = pixels
        self._rows, self._columns = tiles.padded_axes(card, *pixels.shape[:2])
        self.height, self.width = len(self._rows), len(self._columns)

    def band(self, top: int, bottom: int) -> Band:
        """The rows from one up to another, in float32 and [0, 1]."""
        taken = self._pixels[np.ix_(self._rows[top:bottom], self._columns)]
        return np.ascontiguousarray(to_float(taken).transpose(2, 0, 1)[None])


class _Run:
    """One image on its way through the plan."""

    def __init__(
        self, graph: Graph, plan: Sequence[Map], image: _Image, open_part: Callable[[bytes], Part], rows: int
    ) -> None:
        self._graph, self._image, self._open, self._at_once = graph, image, open_part, rows
        self._plan = plan[1:]
        self._maps = {one.name: one for one in plan}
        self._statistics: dict[str, Statistics] = {}
        self._stores: dict[str, Store] = {}
        self._spare: list[Store] = []
        self._parts: dict[str, Part] = {}

    def result(self) -> Iterator[tuple[int, Band]]:
        """The result in bands from the top down, each with its first row."""
        *before, result = self._plan
        last_reader = {name: one for one in self._plan for name in self._stored_behind(one)}
        try:
            for one in before:
                self._fill(one)
                self._parts.clear()  # each keeps memory of its own
                for name in [name for name, reader in last_reader.items() if reader is one]:
                    self._spare.append(self._stores.pop(name))
            yield from self._bands(result)
        finally:
            for store in (*self._stores.values(), *self._spare):
                store.close()

    def _fill(self, one: Map) -> None:
        """Store and measure a map, as far as that is needed."""
        if one.stored:
            store = self._stores[one.name] = self._spare.pop() if self._spare else Store()
            store.clear()
        if one.norm is not None:
            self._statistics[one.name] = Statistics(one.channels)
        for _, band in self._bands(one):
            if one.stored:
                store.append(band)
            if one.norm is not None:
                self._statistics[one.name].merge(band)
        if one.stored:
            store.end()

    def _bands(self, one: Map) -> Iterator[tuple[int, Band]]:
        """All of a map before its norm, in bands, each with its first row."""
        step = max(1, self._at_once * one.rate[1] // (one.rate[0] * one.unit)) * one.unit  # rows of the image
        for top in range(0, self._image.height, step):
            first, last = (_rows(one, row) for row in (top, min(top + step, self._image.height)))
            yield first, self._make(one, first, last)

    def _make(self, one: Map, first: int, last: int) -> Band:
        """The rows of a map from one up to another, before its norm."""
        rows, per = one.rate
        top = max(0, (first - one.spoilt[0]) * per // rows // one.unit * one.unit)
        bottom = min(self._image.height, -(-(last + one.spoilt[1]) * per // (rows * one.unit)) * one.unit)
        given = {name: self._take(self._maps[name], top, bottom) for name in one.sources}
        if one.name not in self._parts:
            ends = [End(name, self._maps[name].type) for name in one.sources]
            self._parts[one.name] = self._open(self._graph.part(ends, End(one.made, one.type)))
        band, above = self._parts[one.name](given), _rows(one, top)
        promised = (1, one.channels, _rows(one, bottom) - above, _rows(one, self._image.width))
        if band.shape != promised:
            raise ValueError(f"{one.made} came out as {band.shape}, where the file says {promised}; export it again")
        return band[:, :, first - above : last - above]

    def _take(self, one: Map, top: int, bottom: int) -> Band:
        """What other maps take of this one, from one row of the image up to another; C-contiguous."""
        if not one.sources:
            return self._image.band(top, bottom)
        first, last = _rows(one, top), _rows(one, bottom)
        band = self._stores[one.name].read(first, last) if one.stored else self._make(one, first, last)
        if one.norm is None:
            return np.ascontiguousarray(band)
        gamma, beta = (self._graph.weights(name) for name in (one.norm.gamma, one.norm.beta))
        return self._statistics[one.name].normalise(band, gamma, beta, one.norm.epsilon)

    def _stored_behind(self, one: Map) -> Iterator[str]:
        """The stored maps that are read to make this one."""
        for source in (self._maps[name] for name in one.sources):
            if source.stored:
                yield source.name
            else:
                yield from self._stored_behind(source)


def _rows(one: Map, rows: int) -> int:
    """How many rows (or columns) of a map so many of the image are."""
    return rows * one.rate[0] // one.rate[1]
