"""An exported file gives what the generator gives and names no path of its maker; a wrong one is refused."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, numpy_helper
from torch import Tensor, nn

from i2i.checkpoints.card import card_of, checksum
from i2i.checkpoints.load import load_generator
from i2i.export import export, graph
from i2i.export import image as module
from i2i.export.bands import open_in_bands
from i2i.export.graph import InUnitRange, trace_generator
from i2i.inference import Translator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator
from i2i_runtime import images
from i2i_runtime.engines.onnxruntime import Session
from tests.export.networks import GENERATORS, card, generator_of


@pytest.fixture(scope="module", autouse=True)
def traced_once() -> Iterator[None]:
    """Tracing takes a second or two, so that each network is traced once for all tests."""
    models: dict[tuple, ModelProto] = {}

    def remembered(network: InUnitRange, **options: Any) -> ModelProto:
        key = (repr(network), checksum(network), *options.items())
        if key not in models:
            models[key] = trace_generator(network, **options)
        return ModelProto.FromString(models[key].SerializeToString())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "trace_generator", remembered)
        yield


def shapes(model: ModelProto) -> list[list[str | int]]:
    values = [*model.graph.input, *model.graph.output]
    return [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values]


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_gives_the_same_as_a_file(name: str, tmp_path: Path) -> None:
    generator, file = generator_of(name), tmp_path / "x.onnx"
    exported, proof = export(generator, card(generator), file)
    assert proof.holds and proof.max_error < 1e-4 and proof.scale > 0.01, "and there is something to compare"
    session = Session(file, providers=["cpu"])
    assert session.card == exported and exported.step == 7 and exported.opset == 18 and exported.test_time == "eval"
    image = np.random.default_rng(0).random((37, 22, generator.in_channels), np.float32)
    translator = Translator(generator, session.card)
    np.testing.assert_allclose(session(image), np.clip(translator(image), 0, 1), atol=1e-4 * proof.scale)
    sizes = [shape[:1] + shape[2:] for shape in proof.batches]
    times = [side // generator.multiple_of % 2 for size in sizes for side in size[1:]]
    assert [size[0] for size in sizes] == [1, 3] and all(times), "sizes that were not traced"
    larger = "result_" if generator.multiple_of > 1 else "" if generator.scale == 1 else f"{generator.scale}*"
    assert onnx.load(file).ir_version == 8, "the lowest of opset 18"
    assert shapes(onnx.load(file)) == [
        ["batch", generator.in_channels, "height", "width"],
        ["batch", generator.out_channels, f"{larger}height", f"{larger}width"],
    ]


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> ModelProto:
    generator, file = generator_of("resnet"), tmp_path_factory.mktemp("resnet") / "x.onnx"
    recipe = '[method]\nname = "cyclegan"\n[data]\nsource = ["/home/annabel/horses", "C:\\\\zebras"]\n'
    export(generator, card_of(generator, {"product": "a_to_b", "recipe": recipe}), file)
    return onnx.load(file)


def strings(message: Any) -> Iterator[str]:
    """Everything that is text in a protobuf message."""
    for field, value in message.ListFields():
        for each in value if hasattr(value, "__len__") and not isinstance(value, str | bytes) else (value,):
            if field.type == field.TYPE_MESSAGE:
                yield from strings(each)
            elif field.type == field.TYPE_STRING:
                yield each


def test_a_file_names_no_path_of_its_maker(resnet: ModelProto) -> None:
    texts = list(strings(resnet))
    assert len(texts) > 50 and not [text for text in texts if "/" in text or ".py" in text or "annabel" in text]
    assert not any(node.metadata_props or node.doc_string for node in resnet.graph.node)
    facts = json.loads({entry.key: entry.value for entry in resnet.metadata_props}["i2i_card"])
    assert "cyclegan" in facts["recipe"] and "horses" in facts["recipe"] and "zebras" in facts["recipe"]
    assert "C:" not in facts["recipe"]


def test_biases_before_an_instance_norm_are_left_out(resnet: ModelProto) -> None:
    convolutions = [node for node in resnet.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    assert [len(node.input) for node in convolutions] == [2] * (len(convolutions) - 1) + [3]
    used = {name for node in resnet.graph.node for name in node.input}
    assert {tensor.name for tensor in resnet.graph.initializer} <= used


def test_batch_norms_are_folded_or_use_the_statistics_of_the_image(tmp_path: Path) -> None:
    generator = generator_of("unet").train()
    other = ResnetGenerator(features=2, blocks=1, norm="batch", dropout=True)
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    operators = []
    for each, test_time, state in ((generator, "eval", "eval"), (other, "published", "published, but dropout off")):
        assert export(each, card(each), tmp_path / f"{state}.onnx", test_time=test_time)[0].test_time == state
        operators.append({node.op_type for node in onnx.load(tmp_path / f"{state}.onnx").graph.node})
    assert not {"BatchNormalization", "Dropout"} & set.union(*operators)
    assert "InstanceNormalization" in operators[1] - operators[0]
    assert generator.training and all(torch.equal(before[key], value) for key, value in generator.state_dict().items())


@pytest.mark.parametrize("io", ["float", "uint8"])
def test_half_precision_is_inside_only_and_its_psnr_is_in_the_proof(io: str, tmp_path: Path) -> None:
    generator, file = generator_of("srvgg"), tmp_path / "x.onnx"
    exported, proof = export(generator, card(generator), file, io=io, half=True)
    model = onnx.load(file)
    floats = [tensor for tensor in model.graph.initializer if numpy_helper.to_array(tensor).size > 4]
    assert {tensor.data_type for tensor in floats} == {onnx.TensorProto.FLOAT16}
    types = {value.type.tensor_type.elem_type for value in [*model.graph.input, *model.graph.output]}
    assert types == {onnx.TensorProto.FLOAT if io == "float" else onnx.TensorProto.UINT8}
    assert exported.precision == "float16" and 50 < proof.psnr < 120 and "50 dB" in proof.sentence()
    assert exported.proof["psnr"] == proof.psnr
    with pytest.raises(ValueError, match="beyond 150 dB"):
        export(generator, card(generator), file, half=True, least_psnr=150)


def test_half_precision_keeps_the_scales_of_resize_as_constants_in_float32(tmp_path: Path) -> None:
    generator, file = ResnetGenerator(features=2, blocks=1, upsampling="resize"), tmp_path / "x.onnx"
    export(generator, card(generator), file, half=True)
    model = onnx.load(file)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    scales = [constants[node.input[2]] for node in model.graph.node if node.op_type == "Resize"]
    assert [numpy_helper.to_array(each).tolist() for each in scales] == [[1, 1, 2, 2]] * 2
    assert {each.data_type for each in scales} == {onnx.TensorProto.FLOAT}


def test_uint8_input_and_output_of_fixed_size(tmp_path: Path) -> None:
    generator, file = generator_of("srvgg"), tmp_path / "x.onnx"
    exported, _ = export(generator, card(generator), file, io="uint8", size=(2, 24, 32))
    assert exported.io == "uint8" and exported.size == (2, 24, 32)
    model = onnx.load(file)
    assert shapes(model) == [[2, 24, 32, 3], [2, 48, 64, 3]]
    assert not {"GatherND", "Shape", "Loop", "If"} & {node.op_type for node in model.graph.node}
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    expected = Translator(generator, exported)(image)
    assert np.abs(Session(file, providers=["cpu"])(image).astype(int) - expected).max() <= 1


def changed_padding(model: ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Pad")
    node.attribute[0].s = b"edge"


def changed_weight(model: ModelProto) -> None:
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    weights = numpy_helper.to_array(tensor).copy()
    weights.flat[0] *= 2
    tensor.raw_data = weights.tobytes()


def changed_range(model: ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Tanh").op_type = "Sigmoid"


@pytest.mark.parametrize("io", ["float", "uint8"])
@pytest.mark.parametrize("change", [changed_padding, changed_weight, changed_range])
def test_a_wrong_graph_is_refused_and_nothing_is_left(
    change, io: str, resnet: ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = generator_of("resnet")
    wrong = ModelProto.FromString(resnet.SerializeToString())
    monkeypatch.setattr(module, "trace_generator", lambda *_, **__: wrong)
    export(generator, card(generator), tmp_path / "right.onnx")
    change(wrong)
    with pytest.raises(ValueError, match=r"generator: not exported, it would not give the same: .* \(beyond") as error:
        export(generator, card(generator), tmp_path / "x.onnx", io=io)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["right.onnx"]


@pytest.mark.parametrize(("name", "large"), [("srvgg", "in tiles"), ("resnet", "whole, since its weights are too lar")])
def test_weights_that_one_file_does_not_hold_are_external(
    name: str, large: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "LARGEST_FILE", 1000)
    generator, file = generator_of(name), tmp_path / "x.onnx"
    exported, _ = export(generator, card(generator), file)
    assert exported.proof["large_images"].startswith(large)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.onnx", "x.onnx.data"]
    parameters = sum(weight.numel() for weight in generator.parameters())
    assert (tmp_path / "x.onnx.data").stat().st_size < 4 * parameters + 1000, "once"
    image = np.random.default_rng(0).integers(0, 256, (24, 16, 3), np.uint8)
    expected = Translator(generator, exported)(image)
    assert np.abs(Session(file, providers=["cpu"])(image).astype(int) - expected).max() <= 1
    for refused in (lambda: open_in_bands(generator, exported), lambda: export(generator, exported, file, half=True)):
        with pytest.raises(ValueError, match="its weights are too large for one file"):
            refused()


class TinyResnet(ResnetGenerator):
    """Has no residual blocks."""

    def __init__(self, *, features: int) -> None:
        super().__init__(features=features, blocks=0)


class Noisy(SRVGGNet):
    """Has dropout at test time."""

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(image, training=True))


class Fickle(SRVGGNet):
    """Has control flow that depends on the image."""

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) if image.mean() > 0 else super().forward(-image)


@pytest.mark.parametrize(
    ("make", "options", "sentence"),
    [
        (Noisy, {}, "Noisy: its graph has Dropout, whose result depends on chance"),
        (Fickle, {}, "Fickle cannot be exported"),
        (TinyResnet, {"opset": 14}, "opset: 14 is refused; allowed: 15 to 24"),
        (UnetGenerator, {"size": (1, 64, 100)}, "both must be multiples of 256 and at least 256"),
        (SRVGGNet, {"half": True, "int8": [np.zeros((1, 3, 8, 8))]}, "exclude each other; choose one"),
        (SRVGGNet, {"size": (0, 64, 64)}, "a batch of 0 is empty"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    make, options: dict, sentence: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    generator = make(features=2)
    with pytest.raises(ValueError, match=sentence) as error:
        export(generator, card(generator), tmp_path / "x.onnx", **options)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING], "and nothing beside it"


def test_the_checksum_is_of_the_weights() -> None:
    first, same, other = generator_of("srvgg"), generator_of("srvgg"), generator_of("srvgg")
    with torch.no_grad():
        other.head.bias[0] += 1e-6
    assert card(first).weights == card(same).weights != card(other).weights


def test_a_published_upscaler_gives_the_same_picture(shared: Path, tmp_path: Path) -> None:
    generator, facts = load_generator(shared / "weights/realesr-animevideov3.pth")
    _, proof = export(generator, card_of(generator, facts), tmp_path / "x.onnx")
    assert proof.max_error < 1e-4 and proof.scale > 0.5
    photo = images.read(next((shared / "data/bsds200").rglob("*.jpg")))[:61, :47]
    session = Session(tmp_path / "x.onnx", providers=["cpu"])
    expected = Translator(generator, session.card)(photo)
    assert np.abs(session(photo).astype(int) - expected).max() <= 1
