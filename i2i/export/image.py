"""An image generator as one .onnx file: traced, converted, proven against torch, and only then in its place.

Weights beyond 2 GB are in a second file, .onnx.data. A network of instance norms and local operators comes with a plan
for bands of rows (`i2i_runtime.bands`), if that is proven too; `large_images` in the card's proof says how large images
run. An exported file is deterministic: with test time "published" batch norms use the statistics of the image at hand,
but dropout is off, and the card says so.
"""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto
from torch import nn

from i2i.checkpoints.card import checksum
from i2i.export.any_size import AnySize, pad_inside, padded_size
from i2i.export.bands import plan_and_prove
from i2i.export.files import check_name, written_whole
from i2i.export.frozen import Frames, freeze
from i2i.export.graph import OPSET, InUnitRange, check_rules, save, strip, trace_generator
from i2i.export.int8 import Float
from i2i.export.mixed_precision import quantise_to
from i2i.export.precision import to_half, with_uint8_ends
from i2i.export.proof import LEAST_PSNR, Proof, pictures, prove, refusal
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import TestTime, set_test_time
from i2i.networks.reparameterised import fold
from i2i_runtime.bands.plan import BANDS, FeatureMap, to_json
from i2i_runtime.card import Card, Io, Precision
from i2i_runtime.engines import expand_engine, open_model
from i2i_runtime.engines.base import CARD


def export(
    generator: ImageGenerator,
    card: Card,
    file: Path,
    *,
    test_time: TestTime = "eval",
    io: Io = "float",
    half: bool = False,
    int8: Sequence[Float] = (),
    frames: Frames | None = None,
    frozen_psnr: float | None = None,
    size: tuple[int, int, int] | None = None,
    any_size: bool = False,
    opset: int = OPSET,
    least_psnr: float | None = None,
) -> tuple[Card, Proof]:
    """Write `generator`, which `card` describes, to `file` (.onnx); returns the card in it, and the proof.

    The file maps float (N, C, H, W) in [0, 1] to the same, or with `io` "uint8" pixels (N, H, W, C), for any sizes that
    suit the card or for one `size` (batch, height, width). With `any_size` those may be any: the graph itself pads the
    image by reflection and crops the result. `half` is half precision inside; `int8` are images
    (1, C, H, W) in [0, 1], every other one for calibration and the others for the proof. Both must reach `least_psnr`
    dB, by default 50 and 35. Instance norms are frozen on `frames`, and must reach `frozen_psnr` dB against the image's
    own statistics, by default 25; the proof is against the frozen network. `test_time` is that of `set_test_time`, but
    without dropout. `generator` is not changed.
    Raises ValueError, and writes nothing, for what cannot be exported and where the proof fails.
    """
    check_name(file)
    if half and int8:
        raise ValueError("half precision and 8 bits exclude each other; choose one")
    if card.instance_maps and (half or int8 or io == "uint8"):
        raise ValueError("instance maps have 16 bits; allowed: an export in float32, with io float")
    if size is not None and size[0] < 1:
        raise ValueError(f"size: a batch of {size[0]} is empty; allowed: from 1")
    any_size = any_size and max(generator.multiple_of, generator.min_size) > 1
    if size is not None and not any_size:
        generator.check_size(*size[1:])
    generator, state = _for_inference(generator, test_time)
    precision: Precision = "float16" if half else "int8" if int8 else "float32"
    card = replace(card, io=io, precision=precision, opset=opset, size=size, test_time=state, proof={})
    if frames is not None:
        generator, difference = freeze(generator, card, frames, least_psnr=frozen_psnr)
        # Other pictures than those of the weights that it comes from, which a folder of results must not mix with them
        card = replace(card, overlap=generator.overlap, weights=checksum(generator))
        card = replace(card, proof={"frozen_norms": difference.facts()})
    if any_size:
        # Tiles begin at pixels that the network takes first, so that a network of tiles keeps its step.
        card = replace(card, min_size=1, multiple_of=card.multiple_of if card.overlap else 1)
    network = AnySize(generator) if any_size else InUnitRange(generator)
    return _write_proven(network.eval(), card, file, int8, least_psnr)


def _write_proven(
    network: InUnitRange, card: Card, file: Path, int8: Sequence[Float], least_psnr: float | None
) -> tuple[Card, Proof]:
    model, quantised = _graph(network, card, int8[::2], least_psnr)
    with written_whole(file) as unproven:
        _write(model, card, unproven)
        check_rules(unproven)
        batches = [_cropped(batch, card) for batch in int8[1::2]] or list(pictures(card))
        proof = _prove(unproven, card, network, batches, least_psnr)
        if not proof.holds:
            raise ValueError(refusal(card, proof))
        plan, large_images = _plan_large_images(model, card, network, batches[0], least_psnr)
        card = replace(card, proof={**card.proof, **proof.facts(), **quantised, "large_images": large_images})
        _write(model, card, unproven, plan)
    return card, proof


def _prove(file: Path, card: Card, network: InUnitRange, batches: Sequence[Float], least_psnr: float | None) -> Proof:
    """The proof in ONNX Runtime or, in 8 bits, which engines fuse and round in their own ways, in the installed engine
    with the lowest PSNR.
    """
    engines = expand_engine("all", ["cpu"]) if card.precision == "int8" else ["onnxruntime"]
    proofs = []
    for engine in engines:
        run = open_model(file, engine=engine, providers=["cpu"]).network
        proofs.append(prove(run, card, network, batches, least_psnr=least_psnr, engine=engine))
    return min(proofs, key=lambda proof: proof.psnr)


def _graph(
    network: InUnitRange, card: Card, calibration: Sequence[Float], least_psnr: float | None
) -> tuple[ModelProto, dict[str, Any]]:
    """The graph that the card describes, and facts of its quantisation."""
    inside, facts = isinstance(network, AnySize), dict[str, Any]()
    size = padded_size(network.generator, card.size) if card.size and inside else card.size
    model = trace_generator(InUnitRange(network.generator).eval(), opset=card.opset, size=size)
    if card.precision == "float16":
        model = to_half(model)
    if card.precision == "int8":
        least = LEAST_PSNR[card.precision] if least_psnr is None else least_psnr
        model, layers, floats = quantise_to(model, calibration, least)
        facts["int8"] = {"layers": layers, "float_layers": list(floats)}
    if inside:
        pad_inside(model, network.generator, card.size)
    if card.io == "uint8":
        model = with_uint8_ends(model)
    strip(model)
    return model, facts


def _plan_large_images(
    model: ModelProto, card: Card, network: InUnitRange, batch: Float, least_psnr: float | None
) -> tuple[Sequence[FeatureMap], str]:
    """The plan for bands of rows, where they give what the network gives, and in words how large images run."""
    if card.overlap:
        return (), f"in tiles that share {card.overlap} pixels"
    if card.size is not None:
        return (), "none, since it takes one size"
    if isinstance(network, AnySize):
        return (), "whole, since the graph pads the whole image"
    try:
        plan, proof = plan_and_prove(model, card, network, batch, least_psnr=least_psnr)
    except ValueError as error:
        return (), f"whole, since {error}"
    how = f"in bands of rows; {proof.sentence()}"
    return (plan, how) if proof.holds else ((), f"whole, since they would not be the same {how}")


def _cropped(batch: Float, card: Card) -> Float:
    """The part of a batch that a file of one size takes."""
    _, height, width = card.size or batch.shape[1:]
    return np.ascontiguousarray(batch[..., :height, :width])


def _for_inference(generator: ImageGenerator, test_time: TestTime) -> tuple[ImageGenerator, str]:
    """A copy of the generator in its state at test time, and that state in words."""
    layers = list(generator.modules())
    has_dropout = any(isinstance(layer, nn.Dropout) for layer in layers)
    if not has_dropout and not any(isinstance(layer, nn.BatchNorm2d) for layer in layers):
        test_time = "eval"  # both are the same
    copy = set_test_time(fold(deepcopy(generator).cpu().float()), test_time)
    for layer in copy.modules():
        layer.training = False
    return copy, "published, but dropout off" if test_time == "published" and has_dropout else test_time


def _write(model: ModelProto, card: Card, file: Path, plan: Sequence[FeatureMap] = ()) -> None:
    metadata = {CARD: json.dumps(card.to_dict()), "product": card.product, "version": card.version}
    if plan:
        metadata[BANDS] = to_json(plan)
    save(model, file, metadata)
