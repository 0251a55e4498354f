"""Layers of torch as those of ncnn."""

from functools import singledispatch

from torch import Tensor, nn

from i2i.interop.ncnn_graph import NcnnGraph
from i2i.networks.antialiasing import AntialiasedDownsample, AntialiasedUpsample
from i2i.networks.generators.plksr import ElementwiseAttention, PartialConvolution, PLKBlock
from i2i.networks.generators.resnet import ResidualBlock
from i2i.networks.generators.rrdb import RESIDUAL_SCALE, DenseBlock, ResidualInResidualBlock
from i2i.networks.reparameterised import Reparameterised

ADD, SUBTRACT, MULTIPLY = 0, 1, 2  # of BinaryOp
NEAREST, BILINEAR = 1, 2  # of Interp
REFLECT = 2  # of Padding
_TO_THE_END = 2**31 - 1  # of Crop's ends: those beyond the blob are its own


@singledispatch
def write(layer: nn.Module, graph: NcnnGraph, blob: str) -> str:
    """Add a layer of torch that takes `blob`; returns the name of its result. Raises ValueError for unknown ones."""
    raise ValueError(f"{type(layer).__name__} is not written for ncnn")


@write.register
def _(layer: nn.Sequential, graph: NcnnGraph, blob: str) -> str:
    for each in layer:
        blob = write(each, graph, blob)
    return blob


@write.register(nn.Identity)
@write.register(nn.Dropout)  # off, as in exported files
def _(layer: nn.Module, graph: NcnnGraph, blob: str) -> str:
    return blob


@write.register
def _(layer: nn.Conv2d, graph: NcnnGraph, blob: str) -> str:
    options = {0: layer.out_channels, 1: layer.kernel_size[0]}
    options |= {3: layer.stride[0]} if layer.stride[0] > 1 else {}
    options |= {4: int(layer.padding[0])} if layer.padding[0] else {}
    return _convolve("Convolution", options, layer.weight, layer.bias, graph, blob)


@write.register
def _(layer: nn.ConvTranspose2d, graph: NcnnGraph, blob: str) -> str:
    options = {0: layer.out_channels, 1: layer.kernel_size[0], 3: layer.stride[0], 4: int(layer.padding[0])}
    more = layer.output_padding[0]
    options |= {18: more, 19: more} if more else {}
    return _convolve("Deconvolution", options, layer.weight.transpose(0, 1), layer.bias, graph, blob)


def _convolve(
    kind: str, options: dict[int, int], weight: Tensor, bias: Tensor | None, graph: NcnnGraph, blob: str
) -> str:
    options |= {5: 1} if bias is not None else {}
    blob = graph.add(kind, blob, {**options, 6: weight.numel()})
    graph.add_weights(weight)
    if bias is not None:
        graph.add_floats(bias)
    return blob


@write.register(nn.InstanceNorm2d)
def _(layer: nn.InstanceNorm2d, graph: NcnnGraph, blob: str) -> str:
    blob = graph.add("InstanceNorm", blob, {0: layer.num_features, 1: layer.eps, 2: int(layer.affine)})
    if layer.affine:
        graph.add_floats(layer.weight, layer.bias)
    return blob


@write.register
def _(layer: nn.BatchNorm2d, graph: NcnnGraph, blob: str) -> str:
    assert layer.running_mean is not None and layer.running_var is not None
    blob = graph.add("BatchNorm", blob, {0: layer.num_features, 1: layer.eps})
    graph.add_floats(layer.weight, layer.running_mean, layer.running_var, layer.bias)
    return blob


@write.register
def _(layer: nn.GroupNorm, graph: NcnnGraph, blob: str) -> str:
    blob = graph.add(
        "GroupNorm", blob, {0: layer.num_groups, 1: layer.num_channels, 2: layer.eps, 3: int(layer.affine)}
    )
    if layer.affine:
        graph.add_floats(layer.weight, layer.bias)
    return blob


@write.register
def _(layer: Reparameterised, graph: NcnnGraph, blob: str) -> str:
    return write(layer.folded(), graph, blob)


@write.register
def _(layer: nn.GELU, graph: NcnnGraph, blob: str) -> str:
    return graph.add("GELU", blob)


@write.register
def _(layer: nn.Mish, graph: NcnnGraph, blob: str) -> str:
    return graph.add("Mish", blob)


@write.register
def _(layer: nn.ReLU, graph: NcnnGraph, blob: str) -> str:
    return graph.add("ReLU", blob)


@write.register
def _(layer: nn.LeakyReLU, graph: NcnnGraph, blob: str) -> str:
    return graph.add("ReLU", blob, {0: layer.negative_slope})


@write.register
def _(layer: nn.PReLU, graph: NcnnGraph, blob: str) -> str:
    return prelu(graph, blob, layer.weight)


def prelu(graph: NcnnGraph, blob: str, slopes: Tensor) -> str:
    """Add a PReLU with a slope for each channel."""
    blob = graph.add("PReLU", blob, {0: slopes.numel()})
    graph.add_floats(slopes)
    return blob


@write.register
def _(layer: nn.Tanh, graph: NcnnGraph, blob: str) -> str:
    return graph.add("TanH", blob)


@write.register
def _(layer: nn.ReflectionPad2d, graph: NcnnGraph, blob: str) -> str:
    left, right, top, bottom = layer.padding
    return _pad(graph, blob, REFLECT, top, bottom, left, right)


@write.register
def _(layer: nn.Upsample, graph: NcnnGraph, blob: str) -> str:
    assert layer.mode == "nearest" and isinstance(layer.scale_factor, int | float)
    return interpolate(graph, blob, NEAREST, layer.scale_factor)


@write.register
def _(layer: nn.PixelShuffle, graph: NcnnGraph, blob: str) -> str:
    return graph.add("PixelShuffle", blob, {0: layer.upscale_factor})


@write.register
def _(layer: nn.PixelUnshuffle, graph: NcnnGraph, blob: str) -> str:
    return graph.add("Reorg", blob, {0: layer.downscale_factor})


@write.register
def _(layer: AntialiasedDownsample, graph: NcnnGraph, blob: str) -> str:
    # A depthwise convolution has as many filters as the blob channels, which only the layer before knows.
    channels = graph.channels(blob)
    kernel = layer.kernel.expand(channels, -1, -1, -1)
    options = {0: channels, 1: 3, 3: 2, 7: channels}
    padded = _pad(graph, blob, REFLECT, 1, 1, 1, 1)
    return _convolve("ConvolutionDepthWise", options, kernel, None, graph, padded)


@write.register
def _(layer: AntialiasedUpsample, graph: NcnnGraph, blob: str) -> str:
    return interpolate(graph, blob, BILINEAR, 2)


@write.register
def _(layer: ResidualBlock, graph: NcnnGraph, blob: str) -> str:
    return graph.add("BinaryOp", [blob, write(layer.residual, graph, blob)], {0: ADD})


@write.register
def _(layer: PLKBlock, graph: NcnnGraph, blob: str) -> str:
    return graph.add("BinaryOp", [blob, write(layer.residual, graph, blob)], {0: ADD})


@write.register
def _(layer: PartialConvolution, graph: NcnnGraph, blob: str) -> str:
    part, rest = (_channels(graph, blob, *each) for each in ((0, layer.channels), (layer.channels, _TO_THE_END)))
    return graph.add("Concat", [write(layer.convolution, graph, part), rest])


@write.register
def _(layer: ElementwiseAttention, graph: NcnnGraph, blob: str) -> str:
    weights = graph.add("Sigmoid", write(layer.convolution, graph, blob))
    return graph.add("BinaryOp", [blob, weights], {0: MULTIPLY})


def _channels(graph: NcnnGraph, blob: str, start: int, end: int) -> str:
    return graph.add("Crop", blob, {9: [start], 10: [end], 11: [0]})


@write.register
def _(layer: ResidualInResidualBlock, graph: NcnnGraph, blob: str) -> str:
    return _scaled_sum(graph, write(layer.residual, graph, blob), blob)


@write.register
def _(layer: DenseBlock, graph: NcnnGraph, blob: str) -> str:
    maps = [blob]
    *inner, last = layer.convolutions
    for convolution in inner:
        maps.append(write(layer.activation, graph, write(convolution, graph, _concatenate(graph, maps))))
    return _scaled_sum(graph, write(last, graph, _concatenate(graph, maps)), blob)


def _concatenate(graph: NcnnGraph, maps: list[str]) -> str:
    return graph.add("Concat", maps) if len(maps) > 1 else maps[0]


def _scaled_sum(graph: NcnnGraph, residual: str, blob: str) -> str:
    return graph.add("Eltwise", [residual, blob], {0: 1, 1: [RESIDUAL_SCALE, 1.0]})


def _pad(graph: NcnnGraph, blob: str, kind: int, top: int, bottom: int, left: int, right: int) -> str:
    return graph.add("Padding", blob, {0: top, 1: bottom, 2: left, 3: right, 4: kind})


def interpolate(graph: NcnnGraph, blob: str, kind: int, factor: float) -> str:
    """Add an up-sampling by a factor, of kind NEAREST or BILINEAR."""
    return graph.add("Interp", blob, {0: kind, 1: float(factor), 2: float(factor)})
