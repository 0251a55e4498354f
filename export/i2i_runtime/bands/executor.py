"""Runs an exported network over bands of rows, so that its feature maps are never whole in memory.

Instance norm needs the mean and the variance of the whole feature map, so that tiles would change the picture. The
network therefore runs as subgraphs, from one norm to the next, each over bands of rows with a halo for its receptive
field. The rows of a feature map go to a store, and its statistics are merged on the way. Feature maps as large as the
image are computed twice instead of stored. The plan in the file (`i2i_runtime.bands.plan`) says what the subgraphs are.

Memory beside image and result: about 15 bands of ROWS rows, that is 2 * width * features kilobytes for the ResNet in
float32, whatever the height. Temporary files, for the ResNet: at most 4 * features bytes per pixel of the image.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from i2i_runtime import tiles
from i2i_runtime.bands.onnx_subgraph import OnnxGraph, ValueInfo
from i2i_runtime.bands.plan import FeatureMap
from i2i_runtime.bands.row_store import Band, ChannelStatistics, RowStore
from i2i_runtime.card import Card
from i2i_runtime.images import Array, from_float, to_float

# Rows of a feature map in a band. Deeper maps have more channels in shorter rows: the memory is about the same.
ROWS = 32

Subgraph = Callable[[dict[str, Array]], Array]  # the output of a subgraph of its inputs, by their names


def run_in_bands(
    file: bytes,
    plan: Sequence[FeatureMap],
    card: Card,
    image: Array,
    out: Array,
    open_subgraph: Callable[[bytes], Subgraph],
    *,
    rows: int = ROWS,
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Fill `out` (H * scale, W * scale, C') with the network's result for `image` (H, W, C), both of the same type.

    `open_subgraph` opens an .onnx file that was cut out of `file` in an engine. A band has `rows` rows of the feature
    map that is computed, which changes memory and time, not the result. `progress` is called after each band with the
    share of all bands that are done. Raises ValueError for values that are not
    finite, and where there is no room for temporary files.
    """
    executor = _Executor(OnnxGraph(file), plan, _PaddedImage(image, card), open_subgraph, rows, progress)
    height, width = out.shape[:2]
    for start, band in executor.result():
        result = band[0, :, : max(0, height - start), :width]  # without the padding
        if not np.isfinite(result).all():
            raise ValueError(f"{card.product} gave values that are not finite; check its weights and precision")
        out[start : start + result.shape[1]] = from_float(result.transpose(1, 2, 0).astype(np.float32), out.dtype)


class _PaddedImage:
    """An image (H, W, C) padded by reflection to a size that the card allows."""

    def __init__(self, pixels: Array, card: Card) -> None:
        self._pixels = pixels
        self._rows, self._columns = tiles.padded_axes(card, *pixels.shape[:2])
        self.height, self.width = len(self._rows), len(self._columns)

    def band(self, top: int, bottom: int) -> Band:
        """Rows `top` up to `bottom` in [0, 1]."""
        pixels = self._pixels[np.ix_(self._rows[top:bottom], self._columns)]
        return np.ascontiguousarray(to_float(pixels).transpose(2, 0, 1)[None])


class _Executor:
    """The run of one image through the feature maps of a plan, with what is stored of them."""

    def __init__(
        self,
        graph: OnnxGraph,
        plan: Sequence[FeatureMap],
        image: _PaddedImage,
        open_subgraph: Callable[[bytes], Subgraph],
        rows: int,
        progress: Callable[[float], None],
    ) -> None:
        self._graph, self._image, self._open, self._band_rows = graph, image, open_subgraph, rows
        self._plan = plan[1:]  # without the image
        self._maps = {feature_map.name: feature_map for feature_map in plan}
        self._progress, self._bands_done = progress, 0
        self._statistics: dict[str, ChannelStatistics] = {}
        self._stores: dict[str, RowStore] = {}
        self._free_stores: list[RowStore] = []
        self._subgraphs: dict[str, Subgraph] = {}

    def result(self) -> Iterator[tuple[int, Band]]:
        """The result in bands from the top down, each with its first row."""
        *hidden, result = self._plan
        last_reader = {name: reader for reader in self._plan for name in self._stores_read_by(reader)}
        try:
            for feature_map in hidden:
                self._compute(feature_map)
                self._subgraphs.clear()  # an engine keeps memory for each
                for name in [name for name, reader in last_reader.items() if reader is feature_map]:
                    self._free_stores.append(self._stores.pop(name))
            yield from self._bands(result)
        finally:
            for store in (*self._stores.values(), *self._free_stores):
                store.close()

    def _compute(self, feature_map: FeatureMap) -> None:
        """Store the rows and merge the statistics of a feature map, where the plan asks for it."""
        name = feature_map.name
        if feature_map.stored:
            self._stores[name] = self._free_stores.pop() if self._free_stores else RowStore()
            self._stores[name].rewind()
        if feature_map.norm is not None:
            self._statistics[name] = ChannelStatistics(feature_map.channels)
        for _, band in self._bands(feature_map):
            if feature_map.stored:
                self._stores[name].append(band)
            if feature_map.norm is not None:
                self._statistics[name].merge(band)
        if feature_map.stored:
            self._stores[name].truncate()

    def _bands(self, feature_map: FeatureMap) -> Iterator[tuple[int, Band]]:
        """A whole feature map before its norm, in bands, each with its first row."""
        step = self._step(feature_map)
        for top in range(0, self._image.height, step):
            first, last = (_rows(feature_map, row) for row in (top, min(top + step, self._image.height)))
            yield first, self._rows_before_norm(feature_map, first, last)
            self._bands_done += 1
            self._progress(self._bands_done / sum(-(-self._image.height // self._step(each)) for each in self._plan))

    def _step(self, feature_map: FeatureMap) -> int:
        """Rows of the image from one band of a feature map to the next."""
        rows, per_image_rows = feature_map.scale
        return max(1, self._band_rows * per_image_rows // (rows * feature_map.stride)) * feature_map.stride

    def _rows_before_norm(self, feature_map: FeatureMap, first: int, last: int) -> Band:
        """Rows `first` up to `last` of a feature map, computed from its inputs with a halo."""
        rows, per_image_rows = feature_map.scale
        above, below = feature_map.halo
        stride = feature_map.stride
        top = max(0, (first - above) * per_image_rows // rows // stride * stride)
        bottom = min(self._image.height, -(-(last + below) * per_image_rows // (rows * stride)) * stride)
        inputs = {name: self._read(self._maps[name], top, bottom) for name in feature_map.inputs}
        band = self._subgraph(feature_map)(inputs)
        start = _rows(feature_map, top)
        expected = (
            1, feature_map.channels, _rows(feature_map, bottom) - start, _rows(feature_map, self._image.width)
        )  # fmt: skip
        if band.shape != expected:
            raise ValueError(
                f"{feature_map.output} has the shape {band.shape}, where the plan in the file says {expected}; "
                "export it again"
            )
        return band[:, :, first - start : last - start]

    def _subgraph(self, feature_map: FeatureMap) -> Subgraph:
        if feature_map.name not in self._subgraphs:
            inputs = [ValueInfo(name, self._maps[name].elem_type) for name in feature_map.inputs]
            file = self._graph.subgraph(inputs, ValueInfo(feature_map.output, feature_map.elem_type))
            self._subgraphs[feature_map.name] = self._open(file)
        return self._subgraphs[feature_map.name]

    def _read(self, feature_map: FeatureMap, top: int, bottom: int) -> Band:
        """A feature map after its norm, over rows `top` up to `bottom` of the image; C-contiguous."""
        if not feature_map.inputs:
            return self._image.band(top, bottom)
        first, last = _rows(feature_map, top), _rows(feature_map, bottom)
        if feature_map.stored:
            band = self._stores[feature_map.name].read(first, last)
        else:
            band = self._rows_before_norm(feature_map, first, last)
        if (norm := feature_map.norm) is None:
            return np.ascontiguousarray(band)
        gamma, beta = (self._graph.weights(name) for name in (norm.gamma, norm.beta))
        return self._statistics[feature_map.name].normalise(band, gamma, beta, norm.epsilon)

    def _stores_read_by(self, feature_map: FeatureMap) -> Iterator[str]:
        """The stored feature maps that are read when this one is computed."""
        for source in (self._maps[name] for name in feature_map.inputs):
            if source.stored:
                yield source.name
            else:
                yield from self._stores_read_by(source)


def _rows(feature_map: FeatureMap, image_rows: int) -> int:
    """Rows (or columns) of a feature map that correspond to so many of the image."""
    return image_rows * feature_map.scale[0] // feature_map.scale[1]
