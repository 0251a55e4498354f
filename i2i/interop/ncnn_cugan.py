"""Real-CUGAN's networks in ncnn's format, as nihui's program has them, with the keys of their state dicts.

bilibili 2022: Real-CUGAN (MIT), https://github.com/bilibili/ailab/tree/main/Real-CUGAN. Its two U-Nets are padded
outside of the graph; spandrel's network pads them itself. The "pro" ones, whose graphs are the same, take another range
of values, which the files do not say.
"""

from pathlib import Path

from torch import Tensor

from i2i.interop.ncnn import FLOAT, HALF, Layer, WeightsReader, parse


def _block(name: str) -> list[str]:
    """Layers of a block: two convolutions, and two of squeeze and excitation."""
    return [f"{name}.conv.0", f"{name}.conv.2", f"{name}.seblock.conv1", f"{name}.seblock.conv2"]


_ENTRANCE = ["conv1.conv.0", "conv1.conv.2", "conv1_down", *_block("conv2")]
_FIRST = [*_ENTRANCE, "conv2_up", "conv3", "conv_bottom"]
_SECOND = [
    *_ENTRANCE, "conv2_down", *_block("conv3"), "conv3_up", *_block("conv4"), "conv4_up", "conv5", "conv_bottom",
]  # fmt: skip
NAMES = [*(f"unet1.{name}" for name in _FIRST), *(f"unet2.{name}" for name in _SECOND)]
FINAL = "conv_final"  # of x4 only
KINDS = {"Convolution": 1, "Deconvolution": 1, "InnerProduct": 0}  # with weights -> the option that is the kernel
_COUNT = {"Convolution": 6, "Deconvolution": 6, "InnerProduct": 2}  # the option that is the number of weights


def is_cugan(graph: Path) -> bool:
    """Whether a graph has as many layers with weights as a network of Real-CUGAN, of all its kinds."""
    kinds = [line.split(maxsplit=1)[0] for line in graph.read_text("utf-8", "replace").splitlines()[2:] if line.strip()]
    weighted = [kind for kind in kinds if kind in KINDS]
    return len(weighted) - len(NAMES) in (0, 1) and "Deconvolution" in weighted and "InnerProduct" in weighted


def read_cugan(file: Path) -> dict[str, Tensor]:
    """Read the state dict of a network of Real-CUGAN; `file` is the graph or the weights. Raises ValueError for damaged
    files; shapes are checked by whoever builds the network.
    """
    graph, weights = file.with_suffix(".param"), file.with_suffix(".bin")
    try:
        layers = [layer for layer in parse(graph.read_text("utf-8", "replace")) if layer.kind in KINDS]
    except ValueError as error:
        raise ValueError(f"{graph}: {error}") from error
    names = [*NAMES, FINAL][: len(layers)]
    try:
        reader = WeightsReader(weights.read_bytes())
        state = {
            f"{name}.{leaf}": tensor
            for name, layer in zip(names, layers, strict=True)
            for leaf, tensor in _tensors(layer, reader).items()
        }
        reader.end()
    except (ValueError, RuntimeError, KeyError, OSError) as error:
        raise ValueError(f"{weights}: {error}") from error
    return state


def _tensors(layer: Layer, reader: WeightsReader) -> dict[str, Tensor]:
    features, count = layer.size(0), layer.size(_COUNT[layer.kind])
    kernel = layer.size(KINDS[layer.kind]) if KINDS[layer.kind] else 1
    tag = int(reader.take(1, "<u4"))
    if tag not in (HALF, FLOAT):
        raise ValueError(f"its weights of layer {layer.name} are of kind {tag:#x}; choose from: float16 and float32")
    weight = reader.take(count, "<f2" if tag == HALF else "<f4").reshape(features, -1, kernel, kernel)
    weight = weight.transpose(0, 1).contiguous() if layer.kind == "Deconvolution" else weight
    return {"weight": weight, "bias": reader.take(features, "<f4")}
