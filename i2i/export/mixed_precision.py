"""Mixed precision: convolutions that cost too much PSNR in 8 bits stay in float32, as few as a target needs.

Each one's cost is measured with that one in 8 bits and all others in float32, which is the sensitivity of Wu et al.
2020, Integer Quantization for Deep Learning Inference, section 5.2, https://arxiv.org/abs/2004.09602. It is that of the
engine with the lower PSNR, of those that are installed: each fuses layers in its own way before it runs them in 8 bits.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import chain
from typing import NamedTuple

import numpy as np
from onnx import ModelProto

from i2i.export.graph import INPUT
from i2i.export.int8 import Float, Quantiser
from i2i_runtime.bands import Subgraph
from i2i_runtime.engines import onnxruntime, openvino

MAX_IMAGES = 4  # that are run in each trial
MAX_TRIALS = 48  # of single layers, or of as many in a row as it then takes
MARGIN = 0.5  # dB beyond the target, since other images are for the proof
_SMALLEST_MSE = 1e-20

Engine = Callable[[bytes], Subgraph]


class Mixed(NamedTuple):
    """A graph with `layers` of its convolutions in 8 bits, all that can be but for `floats`, named by their weights."""

    model: ModelProto
    layers: int
    floats: tuple[str, ...] = ()


def quantise_to(model: ModelProto, batches: Sequence[Float], least_psnr: float) -> Mixed:
    """Quantise a float32 graph so that it has `least_psnr` dB and a margin against itself on `batches`, which calibrate
    it. Raises ValueError for a graph without a convolution for 8 bits, and where none of them can be in 8 bits.
    """
    quantiser = Quantiser(model, batches)
    chosen = batches[:: max(1, len(batches) // MAX_IMAGES)][:MAX_IMAGES]
    expected, layers, engines = _run(_onnxruntime, model, chosen), quantiser.layers, _engines()

    def psnr(floats: Sequence[str]) -> float:
        quantised = quantiser.quantise(floats)
        return min(_psnr(_run(engine, quantised, chosen), expected) for engine in engines)

    if (without := psnr([])) >= least_psnr + MARGIN:
        return Mixed(quantiser.quantise(), len(layers))
    costly = sorted(_groups(layers), key=lambda group: psnr([layer for layer in layers if layer not in group]))

    def costliest(count: int) -> list[str]:
        return list(chain.from_iterable(costly[:count]))

    def reaches(count: int) -> bool:
        return psnr(costliest(count)) >= least_psnr + MARGIN

    # Each one more in float32 raises the PSNR.
    count = bisect_left(range(len(costly)), True, lo=1, key=reaches)
    if count == len(costly):
        raise ValueError(
            f"int8: all layers in 8 bits reach {without:.1f} dB, and none can be at {least_psnr:g} dB; lower "
            "--least-psnr, or leave int8 out"
        )
    floats = costliest(count)
    weights = [node.input[1] for node in model.graph.node if node.name in floats]
    names = tuple(name.removeprefix("generator.").removesuffix(".weight") for name in weights)
    return Mixed(quantiser.quantise(floats), len(layers) - len(floats), names)


def _groups(layers: Sequence[str]) -> list[list[str]]:
    """The layers one by one, or as many in a row as make MAX_TRIALS groups."""
    length = -(-len(layers) // MAX_TRIALS)
    return [list(layers[start : start + length]) for start in range(0, len(layers), length)]


def _engines() -> list[Engine]:
    return [_onnxruntime, openvino.open_subgraph] if find_spec("openvino") else [_onnxruntime]


def _onnxruntime(file: bytes) -> Subgraph:
    return onnxruntime.open_subgraph(file, provider="cpu")


def _run(engine: Engine, model: ModelProto, batches: Sequence[Float]) -> list[Float]:
    run = engine(model.SerializeToString())
    return [run({INPUT: batch}) for batch in batches]


def _psnr(results: Sequence[Float], expected: Sequence[Float]) -> float:
    """The PSNR in dB of the worst image, with the range of the results for its peak, as in a proof."""
    scale = max(1e-6, *(float(np.ptp(each)) for each in expected))
    worst = max(float(np.square(result - other).mean()) for result, other in zip(results, expected, strict=True))
    return -10 * float(np.log10(worst / scale**2 + _SMALLEST_MSE))
