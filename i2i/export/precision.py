"""Converts a float32 graph to half precision inside, and to uint8 pixels at its input and output."""

from collections.abc import Iterable, Mapping

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from onnxconverter_common import float16

from i2i.export.graph import INPUT, check_one_file, quiet

UNIT_INPUT, UNIT_OUTPUT = "unit_image", "unit_result"  # input and output of the network between uint8 pixels
_SMALL = 1024  # bytes; scales of Resize and the like, not weights


def to_half(model: ModelProto) -> ModelProto:
    """A graph in half precision between a float32 input and output."""
    check_one_file(model)
    originals = {tensor.name: _copy(tensor) for tensor in model.graph.initializer if tensor.ByteSize() < _SMALL}
    with quiet():  # it warns of weights that half precision rounds to its smallest number
        half = float16.convert_float_to_float16(model, keep_io_types=True)
    _fold_casts(half.graph, originals)
    return half


def _fold_casts(graph: GraphProto, originals: Mapping[str, TensorProto]) -> None:
    """Replace constants that the conversion casts back to float32 by the original ones: some engines (OpenCV 5,
    TensorRT) take the scales of Resize only as constants.
    """
    for node in list(graph.node):
        original = originals.get(node.input[0]) if node.op_type == "Cast" else None
        to = next((each.i for each in node.attribute if each.name == "to"), None)
        if original is not None and original.data_type == to:
            folded = _copy(original)
            folded.name = node.output[0]
            graph.initializer.append(folded)
            graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _copy(tensor: TensorProto) -> TensorProto:
    copy = TensorProto()
    copy.CopyFrom(tensor)
    return copy


def with_uint8_ends(model: ModelProto) -> ModelProto:
    """A graph on (N, C, H, W) in [0, 1] as one on uint8 pixels (N, H, W, C), rounded to nearest, half to even.

    The conversions are float32, also around a network in half precision.
    """
    graph = model.graph
    rename(graph.node, INPUT, UNIT_INPUT)
    before = [
        helper.make_node("Cast", [INPUT], ["image_float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["image_float"], ["image_planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["image_planes", "level"], [UNIT_INPUT]),
    ]
    nodes = [*before, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.append(helper.make_tensor("level", TensorProto.FLOAT, [], [1 / 255]))
    _declare_pixels(graph.input[0])
    return with_uint8_result(model)


def with_uint8_result(model: ModelProto) -> ModelProto:
    """A graph with uint8 pixels (N, H, W, C) as its output, whatever its inputs are."""
    graph = model.graph
    (result,) = graph.output
    rename(graph.node, result.name, UNIT_OUTPUT)
    graph.node.extend(
        [
            helper.make_node("Mul", [UNIT_OUTPUT, "levels"], ["result_levels"]),
            helper.make_node("Round", ["result_levels"], ["result_rounded"]),
            helper.make_node("Transpose", ["result_rounded"], ["result_pixels"], perm=[0, 2, 3, 1]),
            helper.make_node("Cast", ["result_pixels"], [result.name], to=TensorProto.UINT8),
        ]
    )
    graph.initializer.append(helper.make_tensor("levels", TensorProto.FLOAT, [], [255.0]))
    _declare_pixels(result)
    return model


def _declare_pixels(value: ValueInfoProto) -> None:
    batch, channels, height, width = (dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim)
    value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.UINT8, [batch, height, width, channels]))


def rename(nodes: Iterable[NodeProto], name: str, new: str) -> None:
    """Give a tensor another name in the inputs and outputs of nodes."""
    for node in nodes:
        for values in (node.input, node.output):
            for place, value in enumerate(values):
                values[place] = new if value == name else value
