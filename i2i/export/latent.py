"""A latent generator as one .onnx file: latents, labels and truncation in, images out."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper
from torch import Tensor, nn
from torch.nn.utils import parametrize

from i2i.export import files, graph
from i2i.export.precision import to_half, with_uint8_result
from i2i.export.proof import Proof, compare, refusal, run_all
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.layers import set_test_time
from i2i.networks.value_range import ValueRange
from i2i_runtime.card import Io, NoiseCard
from i2i_runtime.engines.base import NOISE_CARD
from i2i_runtime.engines.sampler import LABEL, LATENT, TRUNCATION, ExportedSampler

_IMAGE = "image"
_SEED = 0  # of the latents in the proof


def export_latent(
    generator: LatentGenerator,
    card: NoiseCard,
    file: Path,
    *,
    io: Io = "float",
    half: bool = False,
    opset: int,
    least_psnr: float | None = None,
) -> tuple[NoiseCard, Proof]:
    """Write `generator`, which `card` describes, to `file` (.onnx); returns the card in it, and the proof.

    Its inputs are `latent` float (batch, latent), for generators with classes `label` int64 (batch,), and for those
    with `linear` points w optionally `truncation`, a float from 0 to 1. Its output is `image`, float
    (batch, C, size, size) in [0, 1], or with `io` "uint8" pixels (batch, size, size, C). `half` is half precision
    inside, which must reach `least_psnr` dB, by default 50. `generator` is not changed. Raises ValueError, and writes
    nothing, for what cannot be exported and where the file does not give what the generator gives.
    """
    files.check_name(file)
    generator = _for_inference(generator)
    card = replace(card, io=io, precision="float16" if half else "float32", opset=opset, test_time="eval", proof={})
    model = _graph(generator, card)
    with files.written_whole(file) as unproven:
        _write(model, card, unproven)
        graph.check_rules(unproven)
        proof = _prove(ExportedSampler(unproven, providers=["cpu"]), generator, least_psnr)
        if not proof.holds:
            raise ValueError(refusal(card, proof))
        card = replace(card, proof=proof.facts())
        _write(model, card, unproven)
    return card, proof


class _InUnitRange(nn.Module):
    """A latent generator with images (N, C, size, size) in [0, 1]."""

    def __init__(self, generator: LatentGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latent: Tensor, label: Tensor | None = None, truncation: Tensor | None = None) -> Tensor:
        w = self.generator.map(latent, label)
        if truncation is not None:
            # As a Python number it would be a constant of the traced graph.
            w = torch.lerp(self.generator.map(latent, label, truncation=0.0), w, truncation)
        return ValueRange(*self.generator.value_range).to_unit(self.generator.synthesise(w, label)).clamp(0, 1)


class _Inputs(NamedTuple):
    """A batch of inputs: latents (N, latent), labels (N,) or none, and truncation."""

    latents: NDArray[np.float32]
    labels: list[int]
    truncation: float


def _for_inference(generator: LatentGenerator) -> LatentGenerator:
    """A copy of the generator in its state at test time, with parametrised weights as plain parameters."""
    copy = set_test_time(deepcopy(generator).cpu().float(), "eval").requires_grad_(False)
    for layer in list(copy.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            weight = cast(Tensor, layer.weight)
            # remove_parametrizations would change the class, which the copy shares with the original.
            layer.__class__ = parametrize.type_before_parametrizations(layer)
            del layer.parametrizations
            layer.weight = nn.Parameter(weight, requires_grad=False)
    return copy


def _graph(generator: LatentGenerator, card: NoiseCard) -> ModelProto:
    """The graph that the card describes."""
    examples = {LATENT: torch.randn(2, card.latent, generator=torch.Generator().manual_seed(_SEED))}
    dynamic: dict[str, dict[int, str]] = {LATENT: {0: graph.DYNAMIC[0]}}
    if card.classes:
        examples[LABEL], dynamic[LABEL] = torch.arange(2) % card.classes, {0: graph.DYNAMIC[0]}
    if card.truncation == "input":
        examples[TRUNCATION], dynamic[TRUNCATION] = torch.tensor(0.5), {}
    network, name = _InUnitRange(generator).eval(), type(generator).__name__
    model = graph.trace(network, examples, dynamic, _IMAGE, name=name, opset=card.opset)
    if card.precision == "float16":
        model = to_half(model)
    if card.io == "uint8":
        model = with_uint8_result(model)
    if card.truncation == "input":  # a default makes it optional
        model.graph.initializer.append(helper.make_tensor(TRUNCATION, TensorProto.FLOAT, [], [1.0]))
    graph.strip(model)
    return model


def _write(model: ModelProto, card: NoiseCard, file: Path) -> None:
    metadata = {NOISE_CARD: json.dumps(card.to_dict()), "product": card.product, "version": card.version}
    graph.save(model, file, metadata)


def _prove(sampler: ExportedSampler, generator: LatentGenerator, least_psnr: float | None) -> Proof:
    """Compare one image and a batch of three, over all classes, with and without truncation where the file takes it."""
    batches = list(_batches(sampler.card))
    expected = [_expected(generator, each) for each in batches]
    runs = [partial(sampler.network, each.latents, each.labels, truncation=each.truncation) for each in batches]
    sizes = [each.shape for each in expected]
    return compare(sampler.card, run_all(sampler.card, runs), expected, sizes=sizes, least_psnr=least_psnr)


def _batches(card: NoiseCard) -> Iterator[_Inputs]:
    random = np.random.default_rng(_SEED)
    for number, truncation in ((1, 1.0), (3, 0.6)):
        latents = random.standard_normal((number, card.latent), np.float32)
        labels = [(card.classes - 1 - at) % card.classes for at in range(number)] if card.classes else []
        yield _Inputs(latents, labels, truncation if card.truncation == "input" else 1.0)


def _expected(generator: LatentGenerator, inputs: _Inputs) -> NDArray[np.float32]:
    label = torch.tensor(inputs.labels) if inputs.labels else None
    with torch.inference_mode():
        w = generator.map(torch.from_numpy(inputs.latents), label, truncation=inputs.truncation)
        return ValueRange(*generator.value_range).to_unit(generator.synthesise(w, label)).clamp(0, 1).numpy()
