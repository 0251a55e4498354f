"""Parts of an .onnx file as files of their own, cut out without the library that made it.

A file is a protobuf message, a row of numbered fields: https://protobuf.dev/programming-guides/encoding. Nodes and
weights are taken over byte by byte; only what they are called is read. The numbers are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_VARINT, _BYTES = 0, 2
_WIDTHS = {1: 8, 5: 4}  # bytes of a field of fixed width
_TYPES = {1: np.float32, 10: np.float16}  # of tensors


class Field(NamedTuple):
    """One field of a message: its number, its content, and the whole of it."""

    number: int
    content: memoryview
    whole: memoryview


class Node(NamedTuple):
    """An operation: the tensors that it takes and gives, and its bytes."""

    inputs: list[str]
    outputs: list[str]
    whole: memoryview


class End(NamedTuple):
    """An input or output of a part: its name, and its type as ONNX numbers it (1 float32, 10 float16)."""

    name: str
    type: int


class Graph:
    """The graph of a file (its bytes), of which parts can be cut. All its weights must be in it."""

    def __init__(self, file: bytes) -> None:
        self._around: list[memoryview] = []  # versions, of which a part needs the same
        self._weights: dict[str, memoryview] = {}
        self._makers: dict[str, Node] = {}  # by what they make
        self._order: list[Node] = []
        for field in _fields(memoryview(file)):
            if field.number == 7:
                self._read(field.content)
            elif field.number in (1, 8):
                self._around.append(field.whole)

    def part(self, given: Iterable[End], made: End) -> bytes:
        """A file that makes the tensor `made` of the tensors `given`, each of four dimensions of any size."""
        given = list(given)
        nodes, weights = self._behind(made.name, {end.name for end in given})
        graph = [
            *(_field(1, node.whole) for node in self._order if node in nodes),
            _field(2, b"part"),
            *(_field(5, self._weights[name]) for name in sorted(weights)),
            *(_field(11, _end(end)) for end in given),
            _field(12, _end(made)),
        ]
        return b"".join([*self._around, _field(7, b"".join(graph))])

    def weights(self, name: str) -> NDArray[np.float32]:
        """The values of a tensor that is stored in the file, in one dimension."""
        fields = {field.number: field.content for field in _fields(self._weights[name])}
        kind = _TYPES[_varint(fields[2], 0)[0]]
        return np.frombuffer(fields[9], kind).astype(np.float32)

    def _read(self, graph: memoryview) -> None:
        for field in _fields(graph):
            if field.number == 1:
                inner = list(_fields(field.content))
                inputs, outputs = ([_text(each) for each in inner if each.number == number] for number in (1, 2))
                node = Node(inputs, outputs, field.content)
                self._order.append(node)
                self._makers |= dict.fromkeys(outputs, node)
            elif field.number == 5:
                name = next(_text(each) for each in _fields(field.content) if each.number == 8)
                self._weights[name] = field.content

    def _behind(self, made: str, given: set[str]) -> tuple[list[Node], set[str]]:
        """The nodes and the names of the weights that `made` takes."""
        nodes: list[Node] = []
        weights: set[str] = set()
        wanted = [made]
        while wanted:
            name = wanted.pop()
            if name in self._weights:
                weights.add(name)
            elif name and name not in given and self._makers[name] not in nodes:
                nodes.append(self._makers[name])
                wanted += self._makers[name].inputs
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
    """A whole number of seven bits a byte, the lowest first, and where it ends."""
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
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def _end(end: End) -> bytes:
    # Dimensions without a name are of any size.
    shape = _field(2, b"".join([_field(1, b"")] * 4))
    tensor = _field(1, _number(1 << 3 | _VARINT) + _number(end.type) + shape)
    return _field(1, end.name.encode()) + _field(2, tensor)
