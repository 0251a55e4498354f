"""Large images over bands of rows: a network's graph with its plan, proven to give what the network gives."""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial

import numpy as np
from onnx import ModelProto

from i2i.export.band_plan import plan_bands
from i2i.export.graph import OPSET, InUnitRange, check_one_file, strip, trace_generator
from i2i.export.proof import Float, Proof, pictures, prove
from i2i.networks.generators.base import ImageGenerator
from i2i_runtime.bands import ROWS, run_in_bands
from i2i_runtime.bands.plan import FeatureMap
from i2i_runtime.card import Card
from i2i_runtime.engines.base import memory_errors
from i2i_runtime.engines.onnxruntime import open_subgraph
from i2i_runtime.images import Array
from i2i_runtime.translate import Banded, Progress, no_progress


def open_in_bands(generator: ImageGenerator, card: Card, *, provider: str = "cpu", threads: int = 0) -> Banded:
    """Open a torch generator over bands of rows in ONNX Runtime, on the `provider` "cpu" or "cuda".

    Takes seconds, since the graph is traced and proven first. Raises ValueError, with the reason alone, for a generator
    that cannot be run so.
    """
    network = InUnitRange(deepcopy(generator).cpu())
    model = trace_generator(network, opset=OPSET)
    strip(model)
    check_one_file(model)
    open_subgraph(model.SerializeToString(), provider=provider)  # raises where the provider cannot be used
    plan, proof = plan_and_prove(model, card, network, next(pictures(card)))
    if not proof.holds:
        raise ValueError(f"the result would not be the same: {proof.sentence()}")
    return _executor(model, plan, card, provider=provider, threads=threads)


def plan_and_prove(
    model: ModelProto, card: Card, network: InUnitRange, batch: Float, *, least_psnr: float | None = None
) -> tuple[list[FeatureMap], Proof]:
    """The plan for running a graph over bands of rows, and the proof that it gives what the network gives.

    Raises ValueError, with the reason alone, for a graph that cannot be run so.
    """
    check_one_file(model)
    plan = plan_bands(model, card)
    banded = _executor(model, plan, card, rows=1)

    def run(images: Float) -> Float:
        height, width = (size * card.scale for size in images.shape[2:])
        results = np.empty((len(images), height, width, card.out_channels), np.float32)
        for image, result in zip(images.transpose(0, 2, 3, 1), results, strict=True):
            banded(image, result)
        return results.transpose(0, 3, 1, 2)

    # Turned by a quarter, these images are higher than wide, and there are more bands.
    return plan, prove(run, card, network, [batch.transpose(0, 1, 3, 2)], least_psnr=least_psnr)


def _executor(
    model: ModelProto,
    plan: Sequence[FeatureMap],
    card: Card,
    *,
    provider: str = "cpu",
    threads: int = 0,
    rows: int = ROWS,
) -> Banded:
    file, opener = model.SerializeToString(), partial(open_subgraph, provider=provider, threads=threads)

    def banded(image: Array, out: Array, *, progress: Progress = no_progress) -> None:
        with memory_errors():
            run_in_bands(file, plan, card, image, out, opener, rows=rows, progress=progress)

    return banded
