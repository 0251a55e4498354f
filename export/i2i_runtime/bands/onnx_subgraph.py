"""Subgraphs of an .onnx file as files of their own, cut out without the library that wrote it.

A file is a protobuf message, a sequence of numbered fields: https://protobuf.dev/programming-guides/encoding. Nodes
and weights are copied byte by byte; only their names are read. The numbers of fields are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_VARINT, _BYTES = 0, 2
_WIDTHS = {1: 8, 5: 4}  # bytes of a field of fixed width
_ELEM_TYPES = {1: np.float32, 10: np.float16}


class Field(NamedTuple):
    """One field of a message: its number, its content, and its bytes with number and length."""

    number: int
    content: memoryview
    encoded: memoryview


class Node(NamedTuple):
    """An operation: the names of its input and output tensors, and its bytes."""

    inputs: list[str]
    outputs: list[str]
    encoded: memoryview


class ValueInfo(NamedTuple):
    """An input or output of a graph: its name, and its type as ONNX numbers it (1 float32, 10 float16)."""

    name: str
    elem_type: int


class OnnxGraph:
    """The graph of a file (its bytes), out of which subgraphs are cut. All its weights must be in the file."""

    def __init__(self, file: bytes) -> None:
        self._versions: list[memoryview] = []  # fields that a subgraph needs too
        self._weights: dict[str, memoryview] = {}
        self._producers: dict[str, Node] = {}  # by the names of their outputs
        self._nodes: list[Node] = []
        for field in _fields(memoryview(file)):
            if field.number == 7:
                self._read(field.content)
            elif field.number in (1, 8):
                self._versions.append(field.encoded)

    def subgraph(self, inputs: Iterable[ValueInfo], output: ValueInfo) -> bytes:
        """A file that computes `output` from `inputs`, tensors of four dimensions of any size."""
        inputs = list(inputs)
        nodes, weights = self._ancestors(output.name, {value.name for value in inputs})
        graph = [
            *(_field(1, node.encoded) for node in self._nodes if node in nodes),
            _field(2, b"subgraph"),
            *(_field(5, self._weights[name]) for name in sorted(weights)),
            *(_field(11, _value_info(value)) for value in inputs),
            _field(12, _value_info(output)),
        ]
        return b"".join([*self._versions, _field(7, b"".join(graph))])

    def weights(self, name: str) -> NDArray[np.float32]:
        """The values of a tensor that is stored in the file, flat."""
        fields = {field.number: field.content for field in _fields(self._weights[name])}
        elem_type = _ELEM_TYPES[_varint(fields[2], 0)[0]]
        return np.frombuffer(fields[9], elem_type).astype(np.float32)

    def _read(self, graph: memoryview) -> None:
        for field in _fields(graph):
            if field.number == 1:
                inner = list(_fields(field.content))
                inputs, outputs = ([_text(each) for each in inner if each.number == number] for number in (1, 2))
                node = Node(inputs, outputs, field.content)
                self._nodes.append(node)
                self._producers |= dict.fromkeys(outputs, node)
            elif field.number == 5:
                name = next(_text(each) for each in _fields(field.content) if each.number == 8)
                self._weights[name] = field.content

    def _ancestors(self, output: str, inputs: set[str]) -> tuple[list[Node], set[str]]:
        """The nodes and the names of the weights that `output` depends on, up to `inputs`."""
        nodes: list[Node] = []
        weights: set[str] = set()
        pending = [output]
        while pending:
            name = pending.pop()
            if name in self._weights:
                weights.add(name)
            elif name and name not in inputs and self._producers[name] not in nodes:
                nodes.append(self._producers[name])
                pending += self._producers[name].inputs
        return nodes, weights


def _fields(message: memoryview) -> Iterator[Field]:
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            begin, at = at, _varint(message, at)[1]
        else:
            length, begin = _varint(message, at) if kind == _BYTES else (_WIDTHS[kind], at)
            at = begin + length
        yield Field(key >> 3, message[begin:at], message[start:at])


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, the lowest first, and the position after it."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _text(field: Field) -> str:
    return bytes(field.content).decode()


def _field(number: int, content: bytes | memoryview) -> bytes:
    return b"".join([_number(number << 3 | _BYTES), _number(len(content)), content])


def _number(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def _value_info(value: ValueInfo) -> bytes:
    # A dimension without name and number is of any size.
    shape = _field(2, b"".join([_field(1, b"")] * 4))
    tensor = _field(1, _number(1 << 3 | _VARINT) + _number(value.elem_type) + shape)
    return _field(1, value.name.encode()) + _field(2, tensor)
