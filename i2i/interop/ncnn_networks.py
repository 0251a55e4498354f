"""Our convolutional generators as graphs of ncnn."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from i2i.interop.ncnn_graph import INPUT, NcnnGraph
from i2i.interop.ncnn_layers import ADD, MULTIPLY, NEAREST, SUBTRACT, interpolate, prelu, write
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.plksr import PLKSR
from i2i.networks.generators.realplksr import RealPLKSR
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.span import SPAN, AttentionBlock
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator


def ncnn_files(generator: ImageGenerator, *, half: bool) -> tuple[str, bytes]:
    """The graph and the weights of a generator, as `set_test_time` leaves it, from `data` to `output`, (C, H, W) in
    [0, 1]. Raises ValueError for a generator or layer that has no counterpart.
    """
    if type(generator) not in NETWORKS:
        names = ", ".join(kind.__name__ for kind in NETWORKS)
        raise ValueError(f"{type(generator).__name__} is not written for ncnn; choose from: {names}")
    graph = NcnnGraph(half=half)
    result = NETWORKS[type(generator)](generator, graph)
    return graph.files(result)


def _rrdb(network: RRDBNet, graph: NcnnGraph) -> str:
    shallow = write(network.stem, graph, write(network.unshuffle, graph, INPUT))
    deep = write(network.trunk, graph, write(network.blocks, graph, shallow))
    return write(network.head, graph, write(network.up, graph, graph.add("BinaryOp", [shallow, deep], {0: ADD})))


def _srvgg(network: SRVGGNet, graph: NcnnGraph) -> str:
    features = _activated(network.stem, graph, INPUT)
    for layer in network.body:
        features = _activated(layer, graph, features)
    detail = write(network.shuffle, graph, write(network.head, graph, features))
    return graph.add("BinaryOp", [detail, interpolate(graph, INPUT, NEAREST, network.scale)], {0: ADD})


def _activated(layer: nn.Module, graph: NcnnGraph, blob: str) -> str:
    """A convolution and its activation, which is a PReLU whatever it is in torch: every reader of such files, ours
    too, knows that one.
    """
    convolution, activation = layer.children()
    assert isinstance(convolution, nn.Conv2d)
    return prelu(graph, write(convolution, graph, blob), _slopes(activation, convolution.out_channels))


def _slopes(activation: nn.Module, channels: int) -> Tensor:
    """Slopes below 0 of a PReLU that gives what the activation gives."""
    if isinstance(activation, nn.PReLU):
        return activation.weight.expand(channels)
    return torch.full((channels,), activation.negative_slope if isinstance(activation, nn.LeakyReLU) else 0.0)


def _span(network: SPAN, graph: NcnnGraph) -> str:
    blob = INPUT
    if network.mean is not None:
        mean = graph.add("MemoryData", [], {0: 1, 1: 1, 2: 3})
        graph.add_floats(network.mean)
        blob = graph.add("BinaryOp", [blob, mean], {0: SUBTRACT})
        blob = graph.add("BinaryOp", blob, {0: MULTIPLY, 1: 1, 2: float(network.norm_range)})
    shallow = blob = write(network.stem, graph, blob)
    blobs = []
    for block in (*network.blocks, network.last):
        assert isinstance(block, AttentionBlock)
        inner, blob = _attention_block(block, graph, blob)
        blobs.append(blob)
    deep = write(network.trunk, graph, blobs[-1])
    merged = write(network.merge, graph, graph.add("Concat", [shallow, deep, blobs[0], inner]))
    return write(network.shuffle, graph, write(network.head, graph, merged))


def _attention_block(block: AttentionBlock, graph: NcnnGraph, blob: str) -> tuple[str, str]:
    """The activated result of the first convolution, and that of the block."""
    inner = graph.add("Swish", write(block.first, graph, blob))
    detail = write(block.third, graph, graph.add("Swish", write(block.second, graph, inner)))
    odd = graph.add("BinaryOp", graph.add("Sigmoid", detail), {0: SUBTRACT, 1: 1, 2: 0.5})
    total = graph.add("BinaryOp", [detail, blob], {0: ADD})
    return inner, graph.add("BinaryOp", [total, odd], {0: MULTIPLY})


def _plksr(network: PLKSR | RealPLKSR, graph: NcnnGraph) -> str:
    up = network.shuffle if isinstance(network, PLKSR) else network.up
    if not isinstance(up, nn.PixelShuffle):
        raise ValueError("RealPLKSR with dysample is not written for ncnn; allowed: dysample = false")
    detail = write(network.head, graph, write(network.blocks, graph, write(network.stem, graph, INPUT)))
    enlarged = interpolate(graph, INPUT, NEAREST, network.scale)
    return graph.add("BinaryOp", [write(up, graph, detail), enlarged], {0: ADD})


def _resnet(network: ResnetGenerator, graph: NcnnGraph) -> str:
    blob = image = _from_unit(graph, INPUT)
    for part in (network.stem, network.down, network.blocks, network.up, network.head):
        blob = write(part, graph, blob)
    if network.residual:
        twice = graph.add("BinaryOp", blob, {0: MULTIPLY, 1: 1, 2: 2.0})
        blob = graph.add("Clip", graph.add("BinaryOp", [image, twice], {0: ADD}), {0: -1.0, 1: 1.0})
    return _to_unit(graph, blob)


def _unet(network: UnetGenerator, graph: NcnnGraph) -> str:
    levels = [write(network.stem, graph, _from_unit(graph, INPUT))]
    for down in network.down:
        levels.append(write(down, graph, levels[-1]))
    *skips, blob = levels
    for up in network.up:
        blob = graph.add("Concat", [skips.pop(), write(up, graph, blob)], {0: 0})
    return _to_unit(graph, write(network.head, graph, blob))


NETWORKS: dict[type, Callable[..., str]] = {
    RRDBNet: _rrdb,
    SRVGGNet: _srvgg,
    SPAN: _span,
    PLKSR: _plksr,
    RealPLKSR: _plksr,
    ResnetGenerator: _resnet,
    UnetGenerator: _unet,
}


def _from_unit(graph: NcnnGraph, blob: str) -> str:
    """[0, 1] -> [-1, 1]"""
    twice = graph.add("BinaryOp", blob, {0: MULTIPLY, 1: 1, 2: 2.0})
    return graph.add("BinaryOp", twice, {0: ADD, 1: 1, 2: -1.0})


def _to_unit(graph: NcnnGraph, blob: str) -> str:
    """[-1, 1] -> [0, 1]"""
    half = graph.add("BinaryOp", blob, {0: MULTIPLY, 1: 1, 2: 0.5})
    return graph.add("BinaryOp", half, {0: ADD, 1: 1, 2: 0.5})
