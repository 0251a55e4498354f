"""Plans how a graph runs over bands of rows: where it is cut into subgraphs, and the halo that each of them needs.

It is cut at instance norms, which need the whole feature map, and at sums that are read more than once, so that no
residual is added up twice. Between the cuts every operator is local.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, lcm
from typing import Any

from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from i2i.export.graph import INPUT, OUTPUT
from i2i.export.precision import UNIT_INPUT, UNIT_OUTPUT
from i2i_runtime.bands.plan import FeatureMap, InstanceNorm
from i2i_runtime.card import Card

# Operators on single pixels that keep the channels of their first input
_POINTWISE = {"Add", "Cast", "Clip", "DequantizeLinear", "Div", "Identity", "LeakyRelu", "Mul", "PRelu",
              "QuantizeLinear", "Relu", "Sigmoid", "Sub", "Tanh"}  # fmt: skip


def plan_bands(model: ModelProto, card: Card) -> list[FeatureMap]:
    """The feature maps that `i2i_runtime.bands` computes one after the other: the image first, the result last.

    Raises ValueError, with the reason alone, for a graph that cannot run over bands of rows.
    """
    image, result = (UNIT_INPUT, UNIT_OUTPUT) if card.io == "uint8" else (INPUT, OUTPUT)
    plan = _Planner(model, card, image, result).run()
    if any(card.multiple_of % feature_map.stride for feature_map in plan):
        raise ValueError(f"it halves its feature maps more often than multiples of {card.multiple_of} allow")
    return plan


@dataclass(frozen=True)
class _Tensor:
    """A tensor in a band, with fields as in `FeatureMap`; `inputs` are the feature maps it is computed from.

    `excess` is how many rows it has beyond `scale` times those of the image.
    """

    channels: int
    elem_type: int
    scale: Fraction
    stride: int
    halo: tuple[int, int]
    inputs: tuple[str, ...]
    excess: int = 0


class _Planner:
    def __init__(self, model: ModelProto, card: Card, image: str, result: str) -> None:
        self._nodes, self._result = list(model.graph.node), result
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._producers = {name: node for node in self._nodes for name in node.output}
        self._readers: dict[str, int] = {}
        for name in (name for node in self._nodes for name in node.input):
            self._readers[name] = self._readers.get(name, 0) + 1
        tensor = _Tensor(card.in_channels, TensorProto.FLOAT, Fraction(1), 1, (0, 0), (image,))
        self._tensors = {image: tensor}
        self._plan = {image: _feature_map(image, image, replace(tensor, inputs=()))}

    def run(self) -> list[FeatureMap]:
        for node in self._nodes:
            if self._result in self._plan:
                break
            inputs = [self._tensors[name] for name in node.input if name in self._tensors]
            if not inputs:
                continue  # a constant; or the conversion of uint8 pixels, before the image
            name = node.output[0]
            if node.op_type == "InstanceNormalization":
                self._cut(node.input[0], name, _instance_norm(node))
                continue
            self._tensors[name] = self._output(node, inputs)
            if name == self._result or (node.op_type == "Add" and len(inputs) == 2 and self._readers[name] > 1):
                self._cut(name, name)
        return list(self._plan.values())

    def _cut(self, output: str, name: str, norm: InstanceNorm | None = None) -> None:
        """End a subgraph at the tensor `output`, which later subgraphs read as `name`."""
        tensor = self._tensors[output]
        if tensor.excess:
            raise ValueError("its feature maps do not line up with the image (a convolution without padding)")
        # As large as the image, it would need the most room, and is computed again in no time from what is stored.
        inputs = [self._plan[each] for each in tensor.inputs]
        is_cheap = tensor.scale >= 1 and all(each.stored or not each.inputs for each in inputs)
        self._plan[name] = _feature_map(name, output, tensor, stored=name != self._result and not is_cheap, norm=norm)
        self._tensors[name] = replace(tensor, stride=tensor.scale.denominator, halo=(0, 0), inputs=(name,))

    def _output(self, node: NodeProto, inputs: list[_Tensor]) -> _Tensor:
        """The output of a node that is computed from feature maps."""
        if len({tensor.scale for tensor in inputs}) > 1:
            raise ValueError(f"it combines feature maps of different sizes ({node.op_type})")
        tensor = replace(
            inputs[0],
            stride=lcm(*(each.stride for each in inputs)),
            halo=(max(each.halo[0] for each in inputs), max(each.halo[1] for each in inputs)),
            inputs=tuple(dict.fromkeys(name for each in inputs for name in each.inputs)),
        )
        options = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type in _POINTWISE:
            return replace(tensor, elem_type=options.get("to", tensor.elem_type))
        if node.op_type == "Concat" and options["axis"] == 1:
            return replace(tensor, channels=sum(each.channels for each in inputs))
        if node.op_type not in _LOCAL:
            raise ValueError(f"{node.op_type} is unknown here")
        tensor = _LOCAL[node.op_type](self, node, tensor, options)
        return replace(tensor, stride=lcm(tensor.stride, tensor.scale.denominator))

    def _convolution(self, node: NodeProto, tensor: _Tensor, options: dict[str, Any]) -> _Tensor:
        top, _, bottom, _ = options.get("pads", [0] * 4)
        stride, _ = options.get("strides", [1, 1])
        # Zeros in place of the rows beyond the cut are wrong, and so is every row that depends on a wrong one.
        halo = (ceil((tensor.halo[0] + top) / stride), ceil((tensor.halo[1] + bottom) / stride))
        channels, _, kernel, _ = self._shape(node.input[1])
        extent = (kernel - 1) * options.get("dilations", [1, 1])[0] + 1
        excess = (tensor.excess + top + bottom - extent) // stride + 1
        return replace(tensor, channels=channels, scale=tensor.scale / stride, halo=halo, excess=excess)

    def _transposed(self, node: NodeProto, tensor: _Tensor, options: dict[str, Any]) -> _Tensor:
        top, _, bottom, _ = options.get("pads", [0] * 4)
        stride, _ = options.get("strides", [1, 1])
        _, channels, kernel, _ = self._shape(node.input[1])
        extent = (kernel - 1) * options.get("dilations", [1, 1])[0] + 1
        bottom -= options.get("output_padding", [0, 0])[0]
        # Row i adds to `extent` rows from i * stride - top on; the sums of rows beyond the cut are missing.
        halo = (
            max(0, stride * (tensor.halo[0] - 1) + extent - top),
            max(0, stride * (tensor.halo[1] - 1) + extent - bottom),
        )
        excess = (tensor.excess - 1) * stride + extent - top - bottom
        channels *= options.get("group", 1)
        return replace(tensor, channels=channels, scale=tensor.scale * stride, halo=halo, excess=excess)

    def _padding(self, node: NodeProto, tensor: _Tensor, options: dict[str, Any]) -> _Tensor:
        _, _, top, _, _, _, bottom, _ = self._values(node.input[1])
        halo = (tensor.halo[0] + int(top), tensor.halo[1] + int(bottom))
        return replace(tensor, halo=halo, excess=tensor.excess + int(top + bottom))

    def _resizing(self, node: NodeProto, tensor: _Tensor, options: dict[str, Any]) -> _Tensor:
        factor = self._values(node.input[2])[2] if node.input[2:3] and node.input[2] else 0
        kind = options.get("mode"), options.get("coordinate_transformation_mode", b"half_pixel")
        if (kind[0] != b"nearest" and kind != (b"linear", b"half_pixel")) or factor < 1 or factor != int(factor):
            raise ValueError("up-sampling other than nearest-neighbour and bilinear by a whole factor is unknown here")
        factor = int(factor)
        # Half of the rows of an edge are interpolated with the row beyond it, which is missing at a cut.
        edge = factor // 2 if kind[0] == b"linear" else 0
        halo = (tensor.halo[0] * factor + edge, tensor.halo[1] * factor + edge)
        return replace(tensor, scale=tensor.scale * factor, halo=halo, excess=tensor.excess * factor)

    def _values(self, name: str) -> list[float]:
        if name not in self._constants:
            raise ValueError("a size that depends on the image is unknown here")
        return numpy_helper.to_array(self._constants[name]).tolist()

    def _shape(self, name: str) -> list[int]:
        """The shape of a weight, which may be an 8-bit one that is dequantised."""
        while name not in self._constants:
            name = self._producers[name].input[0]
        return list(self._constants[name].dims)


_Local = Callable[[_Planner, NodeProto, _Tensor, dict[str, Any]], _Tensor]
_LOCAL: dict[str, _Local] = {
    "Conv": _Planner._convolution,
    "ConvTranspose": _Planner._transposed,
    "Pad": _Planner._padding,
    "Resize": _Planner._resizing,
}


def _feature_map(
    name: str, output: str, tensor: _Tensor, *, stored: bool = False, norm: InstanceNorm | None = None
) -> FeatureMap:
    return FeatureMap(
        name=name,
        output=output,
        inputs=tensor.inputs,
        channels=tensor.channels,
        scale=tensor.scale.as_integer_ratio(),
        stride=tensor.stride,
        halo=tensor.halo,
        elem_type=tensor.elem_type,
        stored=stored,
        norm=norm,
    )


def _instance_norm(node: NodeProto) -> InstanceNorm:
    (epsilon,) = (each.f for each in node.attribute if each.name == "epsilon")
    return InstanceNorm(gamma=node.input[1], beta=node.input[2], epsilon=epsilon)
