"""What a float32 graph becomes for speed: half precision, and ends of 8 bits."""

from onnx import ModelProto, NodeProto, TensorProto, helper
from onnxconverter_common import float16

from i2i.export.graph import INPUT, OUTPUT, quiet

UNIT_INPUT, UNIT_OUTPUT = "unit_image", "unit_result"  # the network's ends inside ends of pixels


def to_half(model: ModelProto) -> ModelProto:
    """The graph in half precision between ends that stay float32."""
    with quiet():  # about weights that half precision rounds to its smallest number
        return float16.convert_float_to_float16(model, keep_io_types=True)


def with_uint8_ends(model: ModelProto) -> ModelProto:
    """The graph (N, C, H, W) in [0, 1] as one of pixels: uint8 (N, H, W, C), rounded to the nearest, half to even.

    Between the ends and the network everything is float32, also around a network of half precision.
    """
    graph = model.graph
    _rename(graph.node, {INPUT: UNIT_INPUT, OUTPUT: UNIT_OUTPUT})
    before = [
        helper.make_node("Cast", [INPUT], ["image_float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["image_float"], ["image_planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["image_planes", "level"], [UNIT_INPUT]),
    ]
    after = [
        helper.make_node("Mul", [UNIT_OUTPUT, "levels"], ["result_levels"]),
        helper.make_node("Round", ["result_levels"], ["result_rounded"]),
        helper.make_node("Transpose", ["result_rounded"], ["result_pixels"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["result_pixels"], [OUTPUT], to=TensorProto.UINT8),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    for name, value in {"level": 1 / 255, "levels": 255.0}.items():
        graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [], [value]))
    for end in (graph.input[0], graph.output[0]):
        batch, channels, height, width = (dim.dim_param or dim.dim_value for dim in end.type.tensor_type.shape.dim)
        shape = [batch, height, width, channels]
        end.CopyFrom(helper.make_tensor_value_info(end.name, TensorProto.UINT8, shape))
    return model


def _rename(nodes: list[NodeProto], names: dict[str, str]) -> None:
    for node in nodes:
        for values in (node.input, node.output):
            for place, name in enumerate(values):
                values[place] = names.get(name, name)
