"""Reads back the PLKSR, RealPLKSR, ResNet and U-Net networks that `i2i.interop.ncnn_out` has written for ncnn.

A graph says its network's size; the options that it does not say are tried until the writer gives the same graph. The
writer then goes through the network once more, and takes the weights from the file where it would write them.
"""

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from i2i.interop.ncnn import FLOAT, HALF, Layer, WeightsReader, parse
from i2i.interop.ncnn_graph import NcnnGraph
from i2i.interop.ncnn_networks import NETWORKS
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.plksr import MIXERS
from i2i.networks.layers import TestTime, set_test_time
from i2i.registry import generators

Candidate = tuple[str, dict[str, Any], TestTime]  # registered name, options, and the test time that was written
_BOTH = (False, True)


def read_written(file: Path) -> ImageGenerator | None:
    """Read the generator of a pair that was written here; `file` is the graph or the weights. None for a graph that
    none of these four networks has. Raises ValueError for weights that are missing or damaged.
    """
    graph, weights = file.with_suffix(".param"), file.with_suffix(".bin")
    if file.suffix not in (".param", ".bin") or not graph.is_file():
        return None
    text = graph.read_text(encoding="utf-8", errors="replace")
    try:
        found = next((each for each in _candidates(parse(text)) if _graph_of(each) == text), None)
    except (ValueError, KeyError, StopIteration, RuntimeError):  # a graph of another kind
        return None
    if found is None:
        return None
    try:
        return _filled(found, WeightsReader(weights.read_bytes()))
    except OSError as error:
        raise ValueError(f"{weights}: {error.strerror}; a network of ncnn is two files side by side") from None
    except ValueError as error:
        raise ValueError(f"{weights}: {error}") from error


def _candidates(layers: list[Layer]) -> Iterator[Candidate]:
    """Networks that may have these layers, with all values of options that their numbers do not say."""
    kinds = Counter(layer.kind for layer in layers)
    convolutions = [layer for layer in layers if layer.kind in ("Convolution", "Deconvolution")]
    first, last = convolutions[0], convolutions[-1]
    size = {"features": first.size(0), "in_channels": first.size(6) // (first.size(0) * first.size(1) ** 2)}
    if kinds["Crop"]:
        yield from _plksr(layers, kinds, size)
    elif kinds["Concat"]:
        yield from _unet(kinds, size | {"out_channels": last.size(0)})
    elif kinds["TanH"]:
        yield from _resnet(kinds, size | {"out_channels": last.size(0)})


def _plksr(layers: list[Layer], kinds: Counter[str], size: dict[str, int]) -> Iterator[Candidate]:
    channels, features = size["in_channels"], size["features"]
    part = next(int(layer.options[-23310][0]) for layer in layers if layer.kind == "Crop")
    options = size | {
        "out_channels": channels,
        "scale": next(layer.size(0) for layer in layers if layer.kind == "PixelShuffle"),
        "kernel": max(layer.size(1) for layer in layers if layer.kind == "Convolution"),
        "share": part / features,
        "attention": bool(kinds["Sigmoid"]),
    }
    for mixer in MIXERS:
        yield "plksr", options | {"blocks": kinds["GELU"], "mixer": mixer}, "eval"
    groups = next((layer.size(0) for layer in layers if layer.kind == "GroupNorm"), 1)
    yield "realplksr", options | {"blocks": kinds["Mish"], "groups": groups}, "eval"


def _unet(kinds: Counter[str], size: dict[str, int]) -> Iterator[Candidate]:
    options = size | {"depth": kinds["Concat"] + 1, "dropout": False}
    for upsampling, (norm, test_time) in product(_UPSAMPLINGS, _NORMS):
        yield "unet", options | {"upsampling": upsampling, "norm": norm}, test_time


def _resnet(kinds: Counter[str], size: dict[str, int]) -> Iterator[Candidate]:
    down = bool(kinds["ConvolutionDepthWise"])
    for up, upsampling, residual, (norm, test_time) in product(_BOTH, _UPSAMPLINGS, _BOTH, _NORMS):
        if not up or upsampling == "transposed":
            # Beside blocks, which pad twice, the first and the last layer pad, and samplings of some kinds.
            others = 2 + 2 * down + 2 * (upsampling == "resize")
            options = size | {"blocks": (kinds["Padding"] - others) // 2, "antialias_down": down, "antialias_up": up}
            yield "resnet", options | {"upsampling": upsampling, "residual": residual, "norm": norm}, test_time


_UPSAMPLINGS = ("transposed", "resize")
# Batch norm is written with the statistics of the image; its running ones would not be used after loading.
_NORMS: tuple[tuple[str, TestTime], ...] = (("instance", "eval"), ("batch", "published"), ("none", "eval"))


def _graph_of(candidate: Candidate) -> str:
    with torch.device("meta"):
        _, network = _build(candidate)
    return _write(network, _Outline())


def _filled(candidate: Candidate, reader: WeightsReader) -> ImageGenerator:
    generator, network = _build(candidate)
    with torch.no_grad():
        _write(network, _Reading(reader))
    reader.end()
    return generator


def _build(candidate: Candidate) -> tuple[ImageGenerator, ImageGenerator]:
    """The generator as it is trained, and as it is written, with the same parameters."""
    name, options, test_time = candidate
    build: Any = generators[name]
    generator: ImageGenerator = build(**options)
    generator.spec = {"name": name, **options}
    shared = {id(each): each for each in generator.parameters()}
    return generator, set_test_time(deepcopy(generator, shared), test_time)


def _write(network: ImageGenerator, graph: NcnnGraph) -> str:
    return graph.files(NETWORKS[type(network)](network, graph))[0]


class _Outline(NcnnGraph):
    """A graph without weights."""

    def add_weights(self, weights: Tensor) -> None: ...

    def add_floats(self, *weights: Tensor) -> None: ...


class _Reading(NcnnGraph):
    """A graph whose layers get their weights from a file."""

    def __init__(self, reader: WeightsReader) -> None:
        super().__init__()
        self._reader = reader

    def add_weights(self, weights: Tensor) -> None:
        tag = int(self._reader.take(1, "<u4"))
        if tag not in (HALF, FLOAT):
            raise ValueError(f"weights are of kind {tag:#x}; choose from: float16 and float32")
        found = self._reader.take(weights.numel(), "<f2" if tag == HALF else "<f4").reshape(weights.shape)
        if 0 not in weights.stride():  # a filter that is the same in all channels is no parameter
            weights.copy_(found)

    def add_floats(self, *weights: Tensor) -> None:
        for each in weights:
            each.copy_(self._reader.take(each.numel(), "<f4").reshape(each.shape))
