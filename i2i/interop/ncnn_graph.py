"""A graph in ncnn's format, layer by layer, and its two files (https://github.com/Tencent/ncnn/wiki/operators)."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from i2i.interop.ncnn import FLOAT, HALF, MAGIC

INPUT, OUTPUT = "data", "output"  # blobs, by the names that Real-ESRGAN's program and upscayl look for
LISTS = -23300  # option -23300 - n is the list n

Option = int | float | Sequence[float]


class _Layer(NamedTuple):
    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: dict[int, Option]

    def line(self, inputs: Sequence[str]) -> str:
        options = [_option(key, value) for key, value in self.options.items()]
        counts = f"{len(inputs)} {len(self.outputs)}"
        return " ".join([f"{self.kind:<20} {self.name:<20} {counts}", *inputs, *self.outputs, *options])


class NcnnGraph:
    """Layers in the order in which they were added, with the weights that belong to them.

    Blobs, the layers' results, are their names. Weights of convolutions are of half precision with `half`.
    """

    def __init__(self, *, half: bool = False) -> None:
        self._half = half
        self._layers = [_Layer("Input", "input", (), (INPUT,), {})]
        self._weights = bytearray()
        self._kinds = Counter[str]()
        self._channels = {INPUT: 0}

    def add(self, kind: str, inputs: str | Sequence[str], options: dict[int, Option] | None = None) -> str:
        """Add a layer of these blobs; returns the name of its result."""
        name = f"{kind}_{self._kinds[kind]}"
        self._kinds[kind] += 1
        blobs, options = (inputs,) if isinstance(inputs, str) else tuple(inputs), options or {}
        self._layers.append(_Layer(kind, name, blobs, (name,), options))
        self._channels[name] = (
            int(options[0]) if "onvolution" in kind else self._channels[blobs[0]] if blobs else 0  # type: ignore[arg-type]
        )
        return name

    def channels(self, blob: str) -> int:
        """Channels of the last convolution before a blob."""
        return self._channels[blob]

    def add_weights(self, weights: Tensor) -> None:
        """Append the main weights of a convolution: a tag of their type, and the numbers, padded to 4 bytes."""
        kind, tag = (np.float16, HALF) if self._half else (np.float32, FLOAT)
        numbers = weights.detach().cpu().float().numpy().astype(kind).tobytes()
        self._weights += tag.to_bytes(4, "little") + numbers + bytes(-len(numbers) % 4)

    def add_floats(self, *weights: Tensor) -> None:
        """Append biases, slopes and the like, which are float32 without a tag."""
        for each in weights:
            self._weights += each.detach().cpu().float().numpy().astype("<f4").tobytes()

    def files(self, result: str) -> tuple[str, bytes]:
        """The graph as text and its weights, where `result` is the blob that the network returns."""
        layers = list(_with_splits(self._layers))
        lines = [
            each._replace(outputs=tuple(OUTPUT if blob == result else blob for blob in each.outputs)).line(each.inputs)
            for each in layers
        ]
        blobs = sum(len(each.outputs) for each in layers)
        return "\n".join([MAGIC, f"{len(lines)} {blobs}", *lines]) + "\n", bytes(self._weights)


def _with_splits(layers: Sequence[_Layer]) -> list[_Layer]:
    """Layers where no blob has two readers: one that has is split, as ncnn demands."""
    readers = Counter(blob for layer in layers for blob in layer.inputs)
    found: list[_Layer] = []
    copies: dict[str, list[str]] = {}
    for layer in layers:
        inputs = tuple(copies[blob].pop() if blob in copies else blob for blob in layer.inputs)
        found.append(layer._replace(inputs=inputs))
        for blob in layer.outputs:
            if readers[blob] > 1:
                copies[blob] = [f"{blob}_{index}" for index in range(readers[blob])]
                found.append(_Layer("Split", f"split_{blob}", (blob,), tuple(copies[blob]), {}))
    return found


def _option(key: int, value: Option) -> str:
    if isinstance(value, int | float):
        return f"{key}={_number(value)}"
    return f"{LISTS - key}={','.join([str(len(value)), *map(_number, value)])}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.9e}"
