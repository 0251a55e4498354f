"""Traces a network into an ONNX graph, without the exporter's notes about the maker's computer.

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
from onnx.external_data_helper import load_external_data_for_model
from torch import Tensor, nn

from i2i.export.opset import lower_opset
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.value_range import ValueRange

INPUT, OUTPUT = "image", "result"
DYNAMIC = {0: "batch", 2: "height", 3: "width"}
OPSETS = range(15, 25)  # those below the exporter's by `lower_opset`
OPSET = 18  # the lowest that the exporter writes; every engine takes it (TensorRT 10: 9 to 20)
LARGEST_FILE = 2**31 - 2**24  # bytes of weights that fit into one protobuf file beside the graph
# Fields with stack traces, local paths and the structure of the program, which no engine needs
_NOTES = ("metadata_props", "doc_string", "value_info")
_RANDOM = ("Dropout", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli")


class InUnitRange(nn.Module):
    """An image generator from [0, 1] to [0, 1].

    Shapes: (N, C, H, W) in [0, 1] -> (N, C', scale * H, scale * W) in [0, 1].
    """

    def __init__(self, generator: ImageGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, image: Tensor) -> Tensor:
        value_range = ValueRange(*self.generator.value_range)
        return value_range.to_unit(self.generator(value_range.from_unit(image))).clamp(0, 1)


def trace_generator(network: InUnitRange, *, opset: int, size: tuple[int, int, int] | None = None) -> ModelProto:
    """The graph of an image generator from `image` to `result`, for any batch, height and width or for one `size`.

    Raises ValueError like `trace`.
    """
    generator = network.generator
    number, height, width = size or _example(generator)
    example = torch.rand(number, generator.in_channels, height, width, generator=torch.Generator().manual_seed(0))
    dynamic = {} if size else DYNAMIC
    model = trace(network, {INPUT: example}, {INPUT: dynamic}, OUTPUT, name=type(generator).__name__, opset=opset)
    if size is None:
        _name_dimensions(model, generator)
    return model


def trace(
    network: nn.Module,
    examples: Mapping[str, Tensor],
    dynamic: Mapping[str, Mapping[int, str]],
    output: str,
    *,
    name: str,
    opset: int,
) -> ModelProto:
    """The graph of a network from inputs named as in `examples` to `output`, with `dynamic` dimensions of any size.

    `name` is the network's in errors. Raises ValueError for a network that cannot be exported, or not in this opset,
    and for one whose result depends on chance or on the batch.
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
                opset_version=max(opset, OPSET),
                input_names=list(examples),
                output_names=[output],
                dynamic_shapes=dict(dynamic),
            )
        # The exporter has a dozen errors for what it cannot do.
        except Exception as error:
            reason, *_ = str(error).split("\x1b")  # behind which is advice for the exporter's developers, in colours
            reason = " ".join(reason.split())[:300].removesuffix(".")
            raise ValueError(f"{name} cannot be exported ({reason})") from error
    assert program is not None
    model = program.model_proto
    _check_graph(model, name, max(opset, OPSET))
    if opset < OPSET:
        lower_opset(model, opset)
    _drop_dead_biases(model)
    return model


def _example(generator: ImageGenerator) -> tuple[int, int, int]:
    """A batch of two that is not square, so that the exporter takes no size for a constant or for another one."""
    step = generator.multiple_of
    side = -(-max(generator.min_size, 16) // step) * step
    return 2, side, side + step


def _check_graph(model: ModelProto, name: str, opset: int) -> None:
    exported = next(each.version for each in model.opset_import if not each.domain)
    if exported != opset:  # an opset that it cannot write the exporter reports in its log only
        raise ValueError(f"opset: {name} was exported in opset {exported}, not {opset}; try another one")
    for node in [*model.graph.node, *(node for function in model.functions for node in function.node)]:
        is_training = any(each.name == "training_mode" and each.i for each in node.attribute)
        if node.op_type in _RANDOM or (node.op_type == "BatchNormalization" and is_training):
            raise ValueError(
                f"{name}: its graph has {node.op_type}, whose result depends on chance or on the batch; "
                "switch it off for use after training"
            )


def _drop_dead_biases(model: ModelProto) -> None:
    """Remove the bias of a convolution that only an instance norm reads, which subtracts the mean anyway."""
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in model.graph.node:
        read_by = [reader.op_type for reader in readers.get(node.output[0], [])]
        if node.op_type in ("Conv", "ConvTranspose") and read_by == ["InstanceNormalization"]:
            del node.input[2:]
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def strip(message: Any) -> None:
    """Clear the exporter's notes in a protobuf message and in those inside it."""
    for field, value in message.ListFields():
        if field.name in _NOTES:
            message.ClearField(field.name)
        elif field.type == field.TYPE_MESSAGE:
            for inner in value if hasattr(value, "__len__") else (value,):
                strip(inner)


def is_large(model: ModelProto) -> bool:
    """Whether the weights do not fit into one file with the graph."""
    return sum(tensor.ByteSize() for tensor in model.graph.initializer) > LARGEST_FILE


def check_one_file(model: ModelProto) -> None:
    """Raises ValueError, with the reason alone, for weights that do not fit into one file, which some steps need."""
    if is_large(model):
        raise ValueError("its weights are too large for one file")


def save(model: ModelProto, file: Path, metadata: Mapping[str, str]) -> None:
    """Write a model with its metadata, in the oldest format (IR version) that its opsets need: older engines refuse
    newer ones unread. Weights that do not fit into the file lie beside it, in `.onnx.data`.
    """
    helper.set_model_props(model, dict(metadata))
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import), ignore_unknown=True)
    if not is_large(model):
        onnx.save_model(model, file)
        return
    weights = file.with_name(f"{file.name}.data")
    weights.unlink(missing_ok=True)  # it would be added to
    onnx.save_model(model, file, save_as_external_data=True, location=weights.name)
    load_external_data_for_model(model, str(file.parent))  # saving has moved the weights out of the model


def _name_dimensions(model: ModelProto, generator: ImageGenerator) -> None:
    """Name the output's dimensions after the input's, where every size is allowed: a network of certain sizes gives
    other ones where it is given any (65 pixels in, 68 out), and the exporter's formulas round.
    """
    names = [DYNAMIC[2], DYNAMIC[3]]
    if generator.multiple_of > 1:
        names = [f"{OUTPUT}_{name}" for name in names]
    elif generator.scale > 1:
        names = [f"{generator.scale}*{name}" for name in names]
    shape: list[str | int] = [DYNAMIC[0], generator.out_channels, *names]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape))


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the exporter's logs and warnings, which are for its own developers."""
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
