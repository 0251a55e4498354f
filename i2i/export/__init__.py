"""A torch generator as one .onnx file that carries its card, and appears only if it gives what the generator gives."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import onnx
from onnx import ModelProto, helper
from torch import nn

from i2i.export.bands import plan
from i2i.export.files import appearing, check_name
from i2i.export.graph import InUnitRange, check_rules, strip, trace
from i2i.export.int8 import Float, read_calibration, to_int8
from i2i.export.precision import to_half, with_uint8_ends
from i2i.export.proof import Proof, in_bands, pictures, prove, refusal
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import TestTime, set_test_time
from i2i_runtime.bands.plan import BANDS, Map, to_json
from i2i_runtime.card import Card, Io, Precision
from i2i_runtime.engines.onnxruntime import CARD, Session

__all__ = ["export", "read_calibration"]

# Default: the lowest that torch writes, which every runtime takes (TensorRT 10: 9 to 20)
OPSET = 18
LARGEST_FILE = 2**31 - 2**24  # bytes of weights that one protobuf file holds, with room for the graph


def export(
    generator: ImageGenerator,
    card: Card,
    file: Path,
    *,
    test_time: TestTime = "eval",
    io: Io = "float",
    half: bool = False,
    int8: Sequence[Float] = (),
    size: tuple[int, int, int] | None = None,
    opset: int = OPSET,
    least_psnr: float | None = None,
) -> tuple[Card, Proof]:
    """Write `generator`, which `card` describes, to `file` (.onnx); returns the card in it, and the proof.

    The file takes and gives float (N, C, H, W) in [0, 1], or with `io` "uint8" pixels (N, H, W, C); any batch, height
    and width that suit the card, or the only `size` (batch, height, width). Weights beyond 2 GB stand in `file`.data.
    With `test_time` "published" batch norms use the statistics of the image at hand, and dropout is off all the same,
    since a file has no chance in it; the card says so. A network of instance norms and what is local comes with the way
    to run it over bands of rows (`i2i_runtime.bands`), if that is proven to give the same; `large_images` of the card's
    proof says how large images go. `half` is half precision between the ends. `int8` are images
    (1, C, H, W) in [0, 1], of which half give the ranges for convolutions in 8 bits and half the proof. Both are held
    to `least_psnr` dB, by default 50 and 35. `generator` stays as it is. Raises ValueError, and writes nothing, for
    what cannot be exported and where the file does not give what the generator gives.
    """
    check_name(file)
    if half and int8:
        raise ValueError("half precision and 8 bits exclude each other; choose one")
    if size is not None:
        if size[0] < 1:
            raise ValueError(f"size: a batch of {size[0]} is empty; allowed: from 1")
        generator.check_size(*size[1:])
    generator, said = _for_use(generator, test_time)
    network = InUnitRange(generator).eval()
    precision: Precision = "float16" if half else "int8" if int8 else "float32"
    card = replace(card, io=io, precision=precision, opset=opset, size=size, test_time=said, proof={})
    model = _graph(network, card, int8[::2])
    with appearing(file) as unproven:
        _write(model, card, unproven)
        check_rules(unproven)
        batches = int8[1::2] or list(pictures(card))
        run = Session(unproven, providers=["cpu"]).network
        proof = prove(run, card, network, batches, least_psnr=least_psnr)
        if not proof.holds:
            raise ValueError(refusal(card, proof))
        maps, large = _for_large_images(model, card, unproven, network, batches[0], least_psnr)
        card = replace(card, proof=proof.facts() | {"large_images": large})
        _write(model, card, unproven, maps)
    return card, proof


def _graph(network: InUnitRange, card: Card, calibration: Sequence[Float]) -> ModelProto:
    """The graph that the card describes."""
    model = trace(network, opset=card.opset, size=card.size)
    if card.precision == "float16":
        model = to_half(model)
    if card.precision == "int8":
        model = to_int8(model, calibration)
    if card.io == "uint8":
        model = with_uint8_ends(model)
    strip(model)
    return model


def _for_large_images(
    model: ModelProto, card: Card, file: Path, network: InUnitRange, batch: Float, least_psnr: float | None
) -> tuple[Sequence[Map], str]:
    """The maps to be made in bands where that gives what the network gives, and in words how large images go."""
    if card.overlap:
        return (), f"in tiles that share {card.overlap} pixels"
    if card.size is not None or _is_large(model):
        return (), "none, since it takes one size" if card.size is not None else "whole, since its weights are large"
    try:
        maps = plan(model, card)
    except ValueError as error:
        return (), f"whole, since {error}"
    _write(model, card, file, maps)
    run = in_bands(Session(file, providers=["cpu"]))
    # Turned, they are higher than wide: there are more bands.
    proof = prove(run, card, network, [batch.transpose(0, 1, 3, 2)], least_psnr=least_psnr)
    how = f"in bands of rows; {proof.sentence()}"
    return (maps, how) if proof.holds else ((), f"whole, since they would not be the same {how}")


def _for_use(generator: ImageGenerator, test_time: TestTime) -> tuple[ImageGenerator, str]:
    """A copy of the generator in the state in which it is used, and that state in words."""
    layers = list(generator.modules())
    has_dropout = any(isinstance(layer, nn.Dropout) for layer in layers)
    if not has_dropout and not any(isinstance(layer, nn.BatchNorm2d) for layer in layers):
        test_time = "eval"  # there is nothing that differs
    copy = set_test_time(deepcopy(generator).cpu().float(), test_time)
    for layer in copy.modules():
        layer.training = False
    return copy, "published, but dropout off" if test_time == "published" and has_dropout else test_time


def _write(model: ModelProto, card: Card, file: Path, maps: Sequence[Map] = ()) -> None:
    facts = {CARD: json.dumps(card.to_dict()), "product": card.product, "version": card.version}
    if maps:
        facts[BANDS] = to_json(maps)
    helper.set_model_props(model, facts)
    onnx.save_model(model, file, save_as_external_data=_is_large(model), location=f"{file.name}.data")


def _is_large(model: ModelProto) -> bool:
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer) > LARGEST_FILE
