"""SPAN's networks in ncnn's format, whose convolutions are folded, with the keys of their published state dicts."""

from pathlib import Path

import torch
from torch import Tensor

from i2i.interop.ncnn import FLOAT, HALF, Layer, WeightsReader, parse
from i2i.interop.span import CONVOLUTIONS, NO_NORM
from i2i.networks.generators.span import DIV2K_MEAN, NORM_RANGE

PLAIN = ("conv_cat", "upsampler.0")  # convolutions behind the folded ones, without branches
NAMES = [*CONVOLUTIONS, *PLAIN]
# Layers beside the convolutions, and how many of each.
BESIDE = {"Swish": 12, "Sigmoid": 6, "PixelShuffle": 1}
GAIN = 2  # widening of the branches of a published convolution
_TOLERANCE = 1e-4  # of a mean that was written as text


def is_span(graph: Path) -> bool:
    """Whether a graph has the layers of SPAN, by their kinds and numbers."""
    kinds = [line.split(maxsplit=1)[0] for line in graph.read_text("utf-8", "replace").splitlines()[2:] if line.strip()]
    return kinds.count("Convolution") == len(NAMES) and all(kinds.count(kind) == n for kind, n in BESIDE.items())


def read_span(file: Path) -> dict[str, Tensor]:
    """Read the state dict of a SPAN network; `file` is the graph or the weights. The branches of a convolution are such
    that they fold to the file's. Raises ValueError for damaged files and for another norm than the published one.
    """
    graph, weights = file.with_suffix(".param"), file.with_suffix(".bin")
    try:
        layers = parse(graph.read_text("utf-8", "replace"))
        _check_range(layers)
        reader = WeightsReader(weights.read_bytes())
        names, state = iter(NAMES), dict[str, Tensor]()
        for layer in layers:
            if layer.kind == "Convolution":
                state |= _convolution(next(names), layer, reader)
            elif layer.kind == "MemoryData":
                _check_mean(reader.take(3, "<f4"))
        reader.end()
    except (ValueError, RuntimeError, KeyError, OSError) as error:
        raise ValueError(f"{weights}: {error}") from error
    has_norm = any(layer.kind == "MemoryData" for layer in layers)
    return state if has_norm else state | {NO_NORM: torch.zeros(1)}


def _convolution(name: str, layer: Layer, reader: WeightsReader) -> dict[str, Tensor]:
    features, kernel = layer.size(0), layer.size(1)
    tag = int(reader.take(1, "<u4"))
    if tag not in (HALF, FLOAT):
        raise ValueError(f"its weights of layer {layer.name} are of kind {tag:#x}; choose from: float16 and float32")
    weight = reader.take(layer.size(6), "<f2" if tag == HALF else "<f4").reshape(features, -1, kernel, kernel)
    bias = reader.take(features, "<f4")
    if name in PLAIN:
        return {f"{name}.weight": weight, f"{name}.bias": bias}
    return {f"{name}.{key}": tensor for key, tensor in unfold(weight, bias).items()}


def unfold(weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """Branches that fold to a 3x3 convolution: of 1x1, 3x3, 1x1 in a row the middle one has the weights and the others
    pass channels on; the skip is 0.
    """
    outputs, inputs = weight.shape[:2]
    first = torch.eye(GAIN * inputs, inputs)[..., None, None]
    middle = torch.zeros(GAIN * outputs, GAIN * inputs, 3, 3)
    middle[:outputs, :inputs] = weight
    last = torch.eye(outputs, GAIN * outputs)[..., None, None]
    branches = {"conv.0": (first, None), "conv.1": (middle, None), "conv.2": (last, bias)}
    branches["sk"] = (torch.zeros(outputs, inputs, 1, 1), None)
    return {
        f"{name}.{leaf}": tensor
        for name, (weights, biases) in branches.items()
        for leaf, tensor in {"weight": weights, "bias": torch.zeros(len(weights)) if biases is None else biases}.items()
    }


def _check_range(layers: list[Layer]) -> None:
    operations = (each.options for each in layers if each.kind == "BinaryOp")
    factors = [options[2][0] for options in operations if options.get(0) == (2,) and 2 in options]
    if any(factor != NORM_RANGE for factor in factors):
        raise ValueError(f"its norm multiplies by {factors[0]:g}; SPAN was published with {NORM_RANGE:g}")


def _check_mean(mean: Tensor) -> None:
    if not torch.allclose(mean, torch.tensor(DIV2K_MEAN), atol=_TOLERANCE):
        raise ValueError(f"its norm has the mean {[round(each, 4) for each in mean.tolist()]}, SPAN's is {DIV2K_MEAN}")
