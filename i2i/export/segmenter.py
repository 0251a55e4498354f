"""A segmenter as one .onnx file, images in, logits out: what `i2i evaluate --segmenter` takes."""

import json
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import onnxruntime
import torch
from onnx import ModelProto, TensorProto, helper
from torch import Tensor, nn

from i2i.export import files, graph
from i2i.export.proof import Proof, compare, picture, refusal, run_all
from i2i.networks.layers import set_test_time
from i2i.networks.segmenters.base import Segmenter
from i2i.networks.value_range import ValueRange
from i2i_runtime.card import SegmenterCard
from i2i_runtime.engines.base import SEGMENTER_CARD

LOGITS = "logits"
_SIZES = (61, 84), (40, 56)  # pixels, of the proof


def export_segmenter(
    segmenter: Segmenter, card: SegmenterCard, file: Path, *, opset: int = graph.OPSET
) -> tuple[SegmenterCard, Proof]:
    """Write `segmenter`, which `card` describes, to `file` (.onnx); returns the card in it, and the proof.

    The file maps `image`, float (batch, C, height, width) in [0, 1], to `logits` (batch, classes, height, width).
    `segmenter` is not changed. Raises ValueError, and writes nothing, for what cannot be exported and where the file
    does not give what the segmenter gives.
    """
    files.check_name(file)
    network = _FromUnitRange(set_test_time(deepcopy(segmenter).cpu().float(), "eval").requires_grad_(False)).eval()
    card = replace(card, opset=opset, test_time="eval", proof={})
    model = _graph(network, card)
    with files.written_whole(file) as unproven:
        _write(model, card, unproven)
        graph.check_rules(unproven)
        proof = _prove(unproven, network, card)
        if not proof.holds:
            raise ValueError(refusal(card, proof))
        card = replace(card, proof=proof.facts())
        _write(model, card, unproven)
    return card, proof


class _FromUnitRange(nn.Module):
    """A segmenter of images (N, C, H, W) in [0, 1]."""

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = segmenter

    def forward(self, image: Tensor) -> Tensor:
        return self.segmenter(ValueRange(*self.segmenter.value_range).from_unit(image))


def _graph(network: _FromUnitRange, card: SegmenterCard) -> ModelProto:
    """The graph that the card describes, whose logits have the height and width of the image."""
    height, width = (max(card.min_size, side) for side in _SIZES[0])
    example = torch.rand(2, card.in_channels, height, width, generator=torch.Generator().manual_seed(0))
    name = type(network.segmenter).__name__
    model = graph.trace(
        network, {graph.INPUT: example}, {graph.INPUT: graph.DYNAMIC}, LOGITS, name=name, opset=card.opset
    )
    shape: list[str | int] = [graph.DYNAMIC[0], card.classes, graph.DYNAMIC[2], graph.DYNAMIC[3]]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, shape))
    graph.strip(model)
    return model


def _prove(file: Path, network: _FromUnitRange, card: SegmenterCard) -> Proof:
    sizes = [tuple(max(card.min_size, side) for side in size) for size in _SIZES]
    batches = [picture(index, height, width, card.in_channels)[None] for index, (height, width) in enumerate(sizes)]
    with torch.inference_mode():
        expected = [network(torch.from_numpy(batch)).numpy() for batch in batches]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    runs = [partial(lambda batch: session.run([LOGITS], {graph.INPUT: batch})[0], batch) for batch in batches]
    return compare(card, run_all(card, runs), expected, sizes=[batch.shape for batch in batches])


def _write(model: ModelProto, card: SegmenterCard, file: Path) -> None:
    metadata = {SEGMENTER_CARD: json.dumps(card.to_dict()), "product": card.product, "version": card.version}
    graph.save(model, file, metadata)
