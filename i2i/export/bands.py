"""How a graph is run over bands of rows: where it is cut, and what the cut edges of a band spoil.

It is cut at instance norms, which want the whole map, and at sums that are read more than once, so that no residual is
added up twice. Between them everything is local, and rows far enough from the cut edges come out as of the whole image.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from typing import Any

from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from i2i.export.graph import INPUT, OUTPUT
from i2i.export.precision import UNIT_INPUT, UNIT_OUTPUT
from i2i_runtime.bands.plan import Map, Norm
from i2i_runtime.card import Card

# Each pixel for itself, and the channels of the first input
_POINTWISE = {"Add", "Cast", "Clip", "DequantizeLinear", "Div", "Identity", "LeakyRelu", "Mul", "PRelu",
              "QuantizeLinear", "Relu", "Sigmoid", "Sub", "Tanh"}  # fmt: skip


def plan(model: ModelProto, card: Card) -> list[Map]:
    """The maps that `i2i_runtime.bands` makes one after the other: the image first, the result last.

    Raises ValueError, with the reason alone, for a graph that can't be run so.
    """
    ends = (UNIT_INPUT, UNIT_OUTPUT) if card.io == "uint8" else (INPUT, OUTPUT)
    found = _Cutter(model, card, *ends).run()
    if any(card.multiple_of % one.unit for one in found):
        raise ValueError(f"it halves its maps more often than multiples of {card.multiple_of} allow")
    return found


@dataclass(frozen=True)
class _Tensor:
    """What is known of a tensor in a band: as in `Map`, and the maps that it is computed from."""

    channels: int
    type: int
    rate: Fraction
    unit: int
    spoilt: tuple[int, int]
    sources: tuple[str, ...]


class _Cutter:
    def __init__(self, model: ModelProto, card: Card, image: str, result: str) -> None:
        self._nodes, self._result = list(model.graph.node), result
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._makers = {name: node for node in self._nodes for name in node.output}
        self._readers: dict[str, int] = {}
        for name in (name for node in self._nodes for name in node.input):
            self._readers[name] = self._readers.get(name, 0) + 1
        first = _Tensor(card.in_channels, TensorProto.FLOAT, Fraction(1), 1, (0, 0), (image,))
        self._tensors = {image: first}
        self._maps = {image: _map(image, image, replace(first, sources=()))}

    def run(self) -> list[Map]:
        for node in self._nodes:
            if self._result in self._maps:
                break
            given = [self._tensors[name] for name in node.input if name in self._tensors]
            if not given:
                continue  # it computes a constant; or what makes pixels planes, before the image
            name = node.output[0]
            if node.op_type == "InstanceNormalization":
                self._cut(node.input[0], name, _norm(node))
                continue
            self._tensors[name] = self._follow(node, given)
            if name == self._result or (node.op_type == "Add" and len(given) == 2 and self._readers[name] > 1):
                self._cut(name, name)
        return list(self._maps.values())

    def _cut(self, made: str, name: str, norm: Norm | None = None) -> None:
        """Make a map of the tensor `made`, which others take as `name`."""
        tensor = self._tensors[made]
        # As tall as the image it would take the most room, and is made again in no time, if of what is there.
        is_there = all(not self._maps[each].sources or self._maps[each].stored for each in tensor.sources)
        stored = name != self._result and not (tensor.rate >= 1 and is_there)
        self._maps[name] = _map(name, made, tensor, stored=stored, norm=norm)
        self._tensors[name] = replace(tensor, unit=tensor.rate.denominator, spoilt=(0, 0), sources=(name,))

    def _follow(self, node: NodeProto, given: list[_Tensor]) -> _Tensor:
        """The tensor that a node makes."""
        if len({tensor.rate for tensor in given}) > 1:
            raise ValueError(f"it joins maps of different sizes ({node.op_type})")
        joined = replace(
            given[0],
            unit=lcm(*(tensor.unit for tensor in given)),
            spoilt=(max(tensor.spoilt[0] for tensor in given), max(tensor.spoilt[1] for tensor in given)),
            sources=tuple(dict.fromkeys(name for tensor in given for name in tensor.sources)),
        )
        options = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type in _POINTWISE:
            return replace(joined, type=options.get("to", joined.type))
        if node.op_type == "Concat" and options["axis"] == 1:
            return replace(joined, channels=sum(tensor.channels for tensor in given))
        if node.op_type not in _LOCAL:
            raise ValueError(f"{node.op_type} is unknown here")
        made = _LOCAL[node.op_type](self, node, joined, options)
        return replace(made, unit=lcm(made.unit, made.rate.denominator))

    def _convolution(self, node: NodeProto, given: _Tensor, options: dict[str, Any]) -> _Tensor:
        top, _, bottom, _ = options.get("pads", [0] * 4)
        step, _ = options.get("strides", [1, 1])
        # Zeros that stand for rows above the cut edge are wrong, and so is every row that sees one that is.
        spoilt = (-(-(given.spoilt[0] + top) // step), -(-(given.spoilt[1] + bottom) // step))
        return replace(given, channels=self._shape(node.input[1])[0], rate=given.rate / step, spoilt=spoilt)

    def _transposed(self, node: NodeProto, given: _Tensor, options: dict[str, Any]) -> _Tensor:
        top, _, bottom, _ = options.get("pads", [0] * 4)
        step, _ = options.get("strides", [1, 1])
        kernel = (options["kernel_shape"][0] - 1) * options.get("dilations", [1, 1])[0] + 1
        more = options.get("output_padding", [0, 0])[0]
        # Row i adds to the rows from i * step - top on, as many as the kernel has; those beyond the edge are missing.
        spoilt = (
            max(0, step * (given.spoilt[0] - 1) + kernel - top),
            max(0, step * (given.spoilt[1] - 1) + kernel + more - bottom),
        )
        channels = self._shape(node.input[1])[1] * options.get("group", 1)
        return replace(given, channels=channels, rate=given.rate * step, spoilt=spoilt)

    def _padding(self, node: NodeProto, given: _Tensor, options: dict[str, Any]) -> _Tensor:
        *_, top, _ = self._values(node.input[1])[:4]
        *_, bottom, _ = self._values(node.input[1])[4:]
        return replace(given, spoilt=(given.spoilt[0] + int(top), given.spoilt[1] + int(bottom)))

    def _resizing(self, node: NodeProto, given: _Tensor, options: dict[str, Any]) -> _Tensor:
        factor = self._values(node.input[2])[2] if node.input[2:3] and node.input[2] else 0
        if options.get("mode") != b"nearest" or factor < 1 or factor != int(factor):
            raise ValueError("up-sampling other than by repeating pixels is unknown here")
        factor = int(factor)
        return replace(given, rate=given.rate * factor, spoilt=(given.spoilt[0] * factor, given.spoilt[1] * factor))

    def _values(self, name: str) -> list[float]:
        if name not in self._constants:
            raise ValueError("a size that is computed is unknown here")
        return numpy_helper.to_array(self._constants[name]).tolist()

    def _shape(self, name: str) -> list[int]:
        """Of a weight, which may be one of 8 bits that is made a float."""
        while name not in self._constants:
            name = self._makers[name].input[0]
        return list(self._constants[name].dims)


_Follow = Callable[[_Cutter, NodeProto, _Tensor, dict[str, Any]], _Tensor]
_LOCAL: dict[str, _Follow] = {
    "Conv": _Cutter._convolution,
    "ConvTranspose": _Cutter._transposed,
    "Pad": _Cutter._padding,
    "Resize": _Cutter._resizing,
}


def _map(name: str, made: str, tensor: _Tensor, *, stored: bool = False, norm: Norm | None = None) -> Map:
    return Map(
        name=name,
        made=made,
        sources=tensor.sources,
        channels=tensor.channels,
        rate=tensor.rate.as_integer_ratio(),
        unit=tensor.unit,
        spoilt=tensor.spoilt,
        type=tensor.type,
        stored=stored,
        norm=norm,
    )


def _norm(node: NodeProto) -> Norm:
    (epsilon,) = (each.f for each in node.attribute if each.name == "epsilon")
    return Norm(gamma=node.input[1], beta=node.input[2], epsilon=epsilon)
