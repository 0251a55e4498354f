"""A generator as an ONNX graph that holds nothing but what is computed.

ONNX operators and their versions: https://onnx.ai/onnx/operators.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper
from torch import Tensor, nn

from i2i.networks.generators.base import ImageGenerator
from i2i.networks.value_range import ValueRange

INPUT, OUTPUT = "image", "result"
DYNAMIC = {0: "batch", 2: "height", 3: "width"}
OPSETS = range(18, 25)  # that the exporter writes
OPSET = OPSETS[0]  # the lowest, which every engine takes (TensorRT 10: 9 to 20)
LARGEST_FILE = 2**31 - 2**24  # bytes of weights that fit into one protobuf file beside the graph
# What names of the maker's computer, stack traces and the structure of the program stand in.
_NOT_COMPUTED = ("metadata_props", "doc_string", "value_info")
_RANDOM = ("Dropout", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli")


class InUnitRange(nn.Module):
    """The generator as files speak: (N, C, H, W) in [0, 1] -> (N, C', scale * H, scale * W), clipped to [0, 1]."""

    def __init__(self, generator: ImageGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, image: Tensor) -> Tensor:
        value_range = ValueRange(*self.generator.value_range)
        return value_range.to_unit(self.generator(value_range.from_unit(image))).clamp(0, 1)


def trace(network: InUnitRange, *, opset: int, size: tuple[int, int, int] | None = None) -> ModelProto:
    """The graph of `network`, for any batch, height and width or for the one `size`, with ends `image` and `result`.

    Raises ValueError for what cannot be exported, or not in this opset, and for a network whose result depends on
    chance or on its batch.
    """
    generator = network.generator
    number, height, width = size or _example(generator)
    example = torch.rand(number, generator.in_channels, height, width, generator=torch.Generator().manual_seed(0))
    dynamic = {} if size else DYNAMIC
    model = draw(network, {INPUT: example}, {INPUT: dynamic}, OUTPUT, name=type(generator).__name__, opset=opset)
    if size is None:
        _name_result(model, generator)
    return model


def draw(
    network: nn.Module,
    examples: Mapping[str, Tensor],
    dynamic: Mapping[str, Mapping[int, str]],
    output: str,
    *,
    name: str,
    opset: int,
) -> ModelProto:
    """The graph of a network called with `examples`, whose `dynamic` dimensions may be of any size. Its inputs are
    called as they are, its result `output`; `name` is for errors. Raises ValueError like `trace`.
    """
    if opset not in OPSETS:
        raise ValueError(f"opset: {opset} is refused; allowed: {OPSETS[0]} to {OPSETS[-1]}")
    with quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                network,
                kwargs=dict(examples),
                dynamo=True,
                verbose=False,
                opset_version=opset,
                input_names=list(examples),
                output_names=[output],
                dynamic_shapes=dict(dynamic),
            )
        # Whatever the exporter does not know, and it has a dozen errors for that.
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(f"{name} cannot be exported ({reason})") from error
    assert program is not None
    model = program.model_proto
    _check(model, name, opset)
    _drop_dead_biases(model)
    return model


def _example(generator: ImageGenerator) -> tuple[int, int, int]:
    """A batch of two, not square, so that no size is taken for a constant or for another one."""
    step = generator.multiple_of
    side = -(-max(generator.min_size, 16) // step) * step
    return 2, side, side + step


def _check(model: ModelProto, name: str, opset: int) -> None:
    written = next(each.version for each in model.opset_import if not each.domain)
    if written != opset:  # of an opset that it cannot write the exporter says so in its log only
        raise ValueError(f"opset: {name} came out in opset {written}, not {opset}; try another one")
    for node in _nodes(model):
        is_training = any(each.name == "training_mode" and each.i for each in node.attribute)
        if node.op_type in _RANDOM or (node.op_type == "BatchNormalization" and is_training):
            raise ValueError(
                f"{name}: its graph has {node.op_type}, whose result depends on chance or on the batch; "
                "switch it off for use after training"
            )


def _nodes(model: ModelProto) -> list[NodeProto]:
    return [*model.graph.node, *(node for function in model.functions for node in function.node)]


def _drop_dead_biases(model: ModelProto) -> None:
    """Leave out the bias of a convolution that is followed by an instance norm alone, which takes it away again."""
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in model.graph.node:
        after = [reader.op_type for reader in readers.get(node.output[0], [])]
        if node.op_type in ("Conv", "ConvTranspose") and after == ["InstanceNormalization"]:
            del node.input[2:]
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def strip(message: Any) -> None:
    """Clear everything in a protobuf message, and in those inside it, that no runtime needs."""
    for field, value in message.ListFields():
        if field.name in _NOT_COMPUTED:
            message.ClearField(field.name)
        elif field.type == field.TYPE_MESSAGE:
            for inner in value if hasattr(value, "__len__") else (value,):
                strip(inner)


def is_large(model: ModelProto) -> bool:
    """Whether the weights do not fit into one file with the graph."""
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer) > LARGEST_FILE


def _name_result(model: ModelProto, generator: ImageGenerator) -> None:
    """Call the result's size by the input's, instead of by a formula with roundings that allowed sizes do not need."""
    names = [DYNAMIC[2], DYNAMIC[3]]
    if generator.scale > 1:
        names = [f"{generator.scale}*{name}" for name in names]
    shape: list[str | int] = [DYNAMIC[0], generator.out_channels, *names]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape))


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the exporter and its like say to their own developers, in a dozen loggers."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def check_rules(file: Path) -> None:
    """Raises ValueError if the file breaks a rule of ONNX."""
    try:
        onnx.checker.check_model(file, full_check=True)
    except Exception as error:
        raise ValueError(f"{file.name}: breaks a rule of ONNX ({' '.join(str(error).split())[:300]})") from error
