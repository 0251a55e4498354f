"""Networks of certain sizes as graphs of any size: the graph pads its image by reflection and crops its result."""

import numpy as np
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, parser
from torch import Tensor

from i2i.export.graph import DYNAMIC, INPUT, OUTPUT, InUnitRange
from i2i.export.precision import rename
from i2i.networks.generators.base import ImageGenerator
from i2i_runtime.tiles import reflect_indices

_PADDED, _UNCROPPED = "padded_image", "uncropped_result"  # input and output of the network itself

# Rows and columns of the padded image, as `reflect_indices` gives them, for images of any size: periods of
# 2 (size - 1) pixels, there and back.
_INDICES = """
indices (float[batch, channels, height, width] image) => (int64[rows] any_rows, int64[columns] any_columns)
<int64[1] any_step = {%d}, int64[1] any_min_size = {%d}, int64[1] any_one = {1}, int64[1] any_two = {2},
 int64 any_first = {0}, int64 any_second = {1}>
{
    any_size = Shape<start = 2, end = 4>(image)
    any_enough = Max(any_size, any_min_size)
    any_above = Add(any_enough, any_step)
    any_below = Sub(any_above, any_one)
    any_times = Div(any_below, any_step)
    any_padded = Mul(any_times, any_step)
    any_last = Sub(any_size, any_one)
    any_there_and_back = Mul(any_last, any_two)
    any_period = Max(any_there_and_back, any_one)
    any_height = Gather(any_padded, any_first)
    any_width = Gather(any_padded, any_second)
    any_row_period = Gather(any_period, any_first)
    any_column_period = Gather(any_period, any_second)
    any_row_range = Range(any_first, any_height, any_second)
    any_column_range = Range(any_first, any_width, any_second)
    any_row_there = Mod(any_row_range, any_row_period)
    any_column_there = Mod(any_column_range, any_column_period)
    any_row_back = Sub(any_row_period, any_row_there)
    any_column_back = Sub(any_column_period, any_column_there)
    any_rows = Min(any_row_there, any_row_back)
    any_columns = Min(any_column_there, any_column_back)
}
"""


class AnySize(InUnitRange):
    """An image generator from [0, 1] to [0, 1] that takes any size, padded as `i2i_runtime` pads.

    Shapes: (N, C, H, W) in [0, 1] -> (N, C', scale * H, scale * W) in [0, 1].
    """

    def forward(self, image: Tensor) -> Tensor:
        height, width = (self.generator.scale * side for side in image.shape[2:])
        for axis in (2, 3):
            indices = _reflected(self.generator, image.shape[axis])
            image = image.index_select(axis, torch.from_numpy(indices))
        return super().forward(image)[..., :height, :width]


def padded_size(generator: ImageGenerator, size: tuple[int, int, int]) -> tuple[int, int, int]:
    """The batch, height and width that the network is given for those of the graph."""
    number, height, width = size
    return number, len(_reflected(generator, height)), len(_reflected(generator, width))


def pad_inside(model: ModelProto, generator: ImageGenerator, size: tuple[int, int, int] | None) -> None:
    """Make a graph on sizes that the generator takes one on any size, or on one `size` (batch, height, width)."""
    graph, scale = model.graph, generator.scale
    rename(graph.node, INPUT, _PADDED)
    rename(graph.node, OUTPUT, _UNCROPPED)
    before, ends = _indices_of_any_size(model, generator) if size is None else _indices_of(model, generator, size)
    nodes = [
        *before,
        helper.make_node("Gather", [INPUT, "any_rows"], ["any_padded_rows"], axis=2),
        helper.make_node("Gather", ["any_padded_rows", "any_columns"], [_PADDED], axis=3),
        *graph.node,
        *ends,
        helper.make_node("Slice", [_UNCROPPED, "any_starts", "any_ends", "any_axes"], [OUTPUT]),
    ]
    del graph.node[:]
    graph.node.extend(nodes)
    _add_constants(model, any_starts=[0, 0], any_axes=[2, 3])
    number, *sides = size or (DYNAMIC[0], DYNAMIC[2], DYNAMIC[3])
    enlarged = [side if scale == 1 else f"{scale}*{side}" if isinstance(side, str) else scale * side for side in sides]
    for value, channels, shown in (
        (graph.input[0], generator.in_channels, sides),
        (graph.output[0], generator.out_channels, enlarged),
    ):
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, [number, channels, *shown]))


def _indices_of_any_size(model: ModelProto, generator: ImageGenerator) -> tuple[list[NodeProto], list[NodeProto]]:
    """Nodes for the rows and columns before the network, and for the size of the result after it."""
    graph = parser.parse_graph(_INDICES % (generator.multiple_of, generator.min_size))
    model.graph.initializer.extend(graph.initializer)
    _add_constants(model, any_scale=[generator.scale])
    return list(graph.node), [helper.make_node("Mul", ["any_size", "any_scale"], ["any_ends"])]


def _indices_of(
    model: ModelProto, generator: ImageGenerator, size: tuple[int, int, int]
) -> tuple[list[NodeProto], list[NodeProto]]:
    """The same for one size, as constants."""
    rows, columns = (_reflected(generator, side).tolist() for side in size[1:])
    _add_constants(model, any_rows=rows, any_columns=columns, any_ends=[generator.scale * side for side in size[1:]])
    return [], []


def _add_constants(model: ModelProto, **values: list[int]) -> None:
    for name, value in values.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))


def _reflected(generator: ImageGenerator, side: int) -> np.ndarray:
    return reflect_indices(side, multiple_of=generator.multiple_of, min_size=generator.min_size)
