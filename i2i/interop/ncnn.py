"""Upscalers in ncnn's format (https://github.com/Tencent/ncnn): a graph as text, `.param`, and weights, `.bin`.

A line of the graph is `KIND NAME INPUTS OUTPUTS ins... outs... 0=64 1=3 ...`; the numbers are listed in
https://github.com/Tencent/ncnn/wiki/operators. The weights follow one another in the order of the graph's layers,
without names or shapes: they are checked against the graph, and the file must end with its last layer.
"""

import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from i2i.interop.layers import following
from i2i.interop.super_resolution import BESIDE_BLOCKS, PER_BLOCK, rrdb_names, srvgg_names

MAGIC = "7767517"  # the first line of every graph
HALF, FLOAT = 0x01306B47, 0  # the tag before a convolution's weights: float16 or float32
LISTS = -23300  # keys from here down are of lists

Options = dict[int, tuple[float, ...]]
# Keys of a convolution's width, dilation, stride and padding from left to right, with their defaults.
CONVOLUTION_WIDTHS: Options = {1: (0,), 2: (1,), 3: (1,), 4: (0,)}

# Every layer of these networks: its kind, its options (None: any number), and a letter for the patterns below.
CONVOLUTION: dict[int, tuple[float, ...] | None] = {0: None, 1: (3,), 4: (1,), 5: (1,), 6: None}  # 3x3, with bias
LEAKY: dict[int, tuple[float, ...] | None] = {9: (2,), -23310: (0.2,)}
LETTERS: list[tuple[str, dict[int, tuple[float, ...] | None], str]] = [
    ("Input", {}, ""),
    ("Split", {}, ""),
    ("Convolution", CONVOLUTION, "c"),
    ("Convolution", CONVOLUTION | LEAKY, "C"),
    ("PReLU", {0: None}, "P"),
    ("Concat", {}, "K"),
    ("Eltwise", {0: (1,), -23301: (0.2, 1)}, "E"),  # 0.2 times the first, and the second
    ("BinaryOp", {}, "B"),  # a sum
    # What other converters write as layers of their own.
    ("ReLU", {0: (0.2,)}, "R"),
    ("BinaryOp", {0: (2,), 1: (1,), 2: (0.2,)}, "M"),  # times 0.2
    ("Interp", {0: (1,), 1: None, 2: None}, "I"),  # nearest neighbour
    ("Interp", {0: (3,), 1: None, 2: None}, "J"),  # bicubic
    ("PixelShuffle", {0: None}, "S"),
    ("Reorg", {0: None}, "U"),  # pixel-unshuffle
]
# An activation as a layer of its own, and a scaled sum in two layers, as the one layer that is the same.
SAME = {"cR": "C", "MB": "E"}
RRDB = re.compile(r"U?c(((CK){4}cE){3}E)+cB(IC)*Cc")
COMPACT = re.compile(r"(cP)+cSIBJ?")


class Layer(NamedTuple):
    """A line of the graph, without options that have their default."""

    kind: str
    name: str
    options: Options

    def letter(self) -> str:
        """The letter of this layer in the patterns above. Raises ValueError for one that is in neither network."""
        for kind, expected, letter in LETTERS:
            if (
                kind == self.kind
                and expected.keys() == self.options.keys()
                and all(value in (None, self.options[key]) for key, value in expected.items())
            ):
                return letter
        raise ValueError(f"layer {self.name} ({self.kind}) is in no RRDB and no compact network as published")

    def size(self, key: int) -> int:
        """An option as a count. Raises ValueError for anything but a whole number from 1."""
        value = self.options[key][0]
        if not (value.is_integer() and value >= 1):
            raise ValueError(f"damaged: layer {self.name} has {key}={value:g}; copy or download it again")
        return int(value)


def read_ncnn(file: Path) -> dict[str, Tensor]:
    """Read the state dict of an RRDB or compact network, with Real-ESRGAN's keys; `file` is the graph or the weights.

    Weights become float32. A down-sampling at the end of the graph is left out with a warning. Raises ValueError for a
    file that is missing, damaged, or of another network.
    """
    graph, weights = file.with_suffix(".param"), file.with_suffix(".bin")
    for each in (graph, weights):
        if not each.is_file():
            raise ValueError(f"{each}: no such file; a network of ncnn is two files, .param and .bin, side by side")
    try:
        layers = parse(graph.read_text(encoding="utf-8", errors="replace"))
        names = _convolutions(layers)
    except ValueError as error:
        raise ValueError(f"{graph}: {error}") from error
    if layers[-1].letter() == "J":
        factor = layers[-1].options[1][0]
        warnings.warn(f"{graph}: resizes the result by {factor:g}; left out here", stacklevel=2)
    try:
        return _state(layers, names, weights.read_bytes())
    except ValueError as error:
        raise ValueError(f"{weights}: {error}") from error


def parse(text: str) -> list[Layer]:
    """The layers of a graph. Raises ValueError for a text that is none, or damaged."""
    magic, *lines = text.splitlines() or [""]
    if magic.strip() != MAGIC:
        raise ValueError(f"not a graph of ncnn, whose first line is {MAGIC}")
    try:
        expected = int(lines[0].split()[0])
        layers = [_layer(line) for line in lines[1:] if line.strip()]
    except (ValueError, IndexError) as error:
        raise ValueError("damaged: a line is not what ncnn writes; copy or download it again") from error
    if len(layers) != expected:
        raise ValueError(f"damaged: {len(layers)} layers of {expected}; copy or download it again")
    return layers


def _layer(line: str) -> Layer:
    kind, name, inputs, outputs, *words = line.split()
    options: Options = {}
    for word in words[int(inputs) + int(outputs) :]:
        key, _, value = word.partition("=")
        numbers = tuple(float(number) for number in value.split(","))
        # A list begins with its length.
        options[int(key)] = numbers[1:] if int(key) <= LISTS else numbers
    neutral = _defaults(options).get(kind, {})
    return Layer(kind, name, {key: value for key, value in options.items() if value != neutral.get(key)})


def _defaults(options: Options) -> dict[str, Options]:
    """Options of a layer with ncnn's defaults filled in: a height that is left out, for example, is the width."""
    width, dilation, stride, padding = (options.get(key, default) for key, default in CONVOLUTION_WIDTHS.items())
    return {
        "Convolution": {
            2: (1,), 3: (1,), 8: (0,), 9: (0,), 18: (0,), 19: (0,),  # no int8, no activation, zeros around it
            11: width, 12: dilation, 13: stride, 14: padding, 15: padding, 16: options.get(14, padding),
        },
        "BinaryOp": {0: (0,), 1: (0,), 2: (0,)} if options.get(0, (0,)) == (0,) else {},  # a sum of two
        "Concat": {0: (0,)},  # of channels
        "Interp": {3: (0,), 4: (0,), 5: (0,), 6: (0,)},  # by a factor; corners are not aligned
        "PixelShuffle": {1: (0,)},
        "Reorg": {1: (0,)},
    }  # fmt: skip


def _convolutions(layers: list[Layer]) -> list[str]:
    """Published names of the graph's convolutions. Raises ValueError for another network."""
    letters = "".join(layer.letter() for layer in layers)
    for parts, whole in SAME.items():
        letters = letters.replace(parts, whole)
    factors = {layer.options[key] for layer in layers if layer.letter() == "I" for key in (1, 2)}
    count = letters.lower().count("c")
    if RRDB.fullmatch(letters) and factors <= {(2.0,)}:
        upsamplings = letters.count("I")
        return rrdb_names((count - BESIDE_BLOCKS - upsamplings) // PER_BLOCK, upsamplings)
    if COMPACT.fullmatch(letters) and factors == {layer.options[0] for layer in layers if layer.letter() == "S"}:
        return srvgg_names(count - 2)
    raise ValueError("these layers are no RRDB and no compact network as published (ESRGAN, Real-ESRGAN)")


def _state(layers: list[Layer], convolutions: list[str], content: bytes) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    names, name, weights = iter(convolutions), "", WeightsReader(content)
    for layer in layers:
        if layer.kind == "PReLU":
            state[f"{following(name)}.weight"] = weights.take(layer.size(0), "<f4")
        elif layer.kind == "Convolution":
            name, features, count = next(names), layer.size(0), layer.size(6)
            if count % (features * 9):
                raise ValueError(f"damaged: {count} weights for {features} features of 3x3 in its .param")
            tag = int(weights.take(1, "<u4"))
            if tag not in (HALF, FLOAT):
                raise ValueError(
                    f"its weights of layer {layer.name} are of kind {tag:#x}; choose from: float16 and float32"
                )
            weight = weights.take(count, "<f2" if tag == HALF else "<f4")
            state[f"{name}.weight"] = weight.reshape(features, -1, 3, 3)
            state[f"{name}.bias"] = weights.take(features, "<f4")
    weights.end()
    return state


class WeightsReader:
    """Reads numbers one after another from the content of a weights file."""

    def __init__(self, content: bytes) -> None:
        self._content, self._start = content, 0

    def take(self, count: int, kind: str) -> Tensor:
        """Read the next `count` numbers of a NumPy type. Raises ValueError at the end of the file."""
        if count * np.dtype(kind).itemsize > len(self._content) - self._start:
            raise ValueError(f"ends after {len(self._content):,} bytes, its .param needs more; copy both again")
        numbers = np.frombuffer(self._content, kind, count, self._start)
        self._start += -(-numbers.nbytes // 4) * 4  # padded to 4 bytes
        return torch.from_numpy(numbers.astype(np.float32 if "f" in kind else np.int64))

    def end(self) -> None:
        """Raises ValueError unless the whole file was read."""
        if self._start != len(self._content):
            raise ValueError(f"{len(self._content):,} bytes, its .param needs {self._start:,}; copy both again")
