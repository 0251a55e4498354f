"""An exported latent generator gives the images that torch gives for the same seeds; a wrong file is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, helper, numpy_helper
from torch import Tensor, nn

import i2i.networks.generators  # noqa: F401
from i2i.checkpoints.card import checksum, noise_card_of
from i2i.export import graph
from i2i.export.latent import export_latent
from i2i.latent.sampler import Sampler as TorchSampler
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.generators.biggan import BigGANGenerator
from i2i.networks.generators.biggan_deep import BigGANDeepGenerator
from i2i.networks.generators.dcgan import DCGANGenerator
from i2i.networks.generators.linear import LinearGenerator
from i2i.networks.generators.r3gan import R3GANGenerator
from i2i.networks.generators.stylegan2 import StyleGAN2Generator
from i2i.networks.generators.stylegan2_lucidrains import LucidrainsGenerator
from i2i.networks.generators.stylegan3 import StyleGAN3Generator
from i2i.registry import generators
from i2i_runtime.card import NoiseCard
from i2i_runtime.engines.sampler import ExportedSampler

GENERATORS: dict[str, tuple[type[LatentGenerator], dict[str, Any]]] = {
    "dcgan": (DCGANGenerator, {"size": 32, "latent": 20, "features": 4, "init": "orthogonal", "init_gain": 1.0}),
    "stylegan2": (
        StyleGAN2Generator,
        {"size": 8, "latent": 8, "style": 8, "features": 8, "base": 64, "mapping_layers": 2},
    ),
    "stylegan3": (
        StyleGAN3Generator,
        {"size": 16, "latent": 8, "style": 8, "features": 8, "base": 64, "layers": 4, "kind": "r"},
    ),
    "r3gan": (R3GANGenerator, {"size": 8, "latent": 8, "features": 8, "base": 64, "group": 4}),
    "linear": (LinearGenerator, {"size": 8, "latent": 20, "features": 16, "out_channels": 3}),
    "biggan": (
        BigGANGenerator,
        {"latent": 20, "features": 8, "classes": 3, "conditioning": "hierarchical", "attention": 16},
    ),
    "biggan-deep": (BigGANDeepGenerator, {"size": 32, "latent": 8, "features": 4, "classes": 3, "attention": 16}),
    "stylegan2-lucidrains": (LucidrainsGenerator, {"size": 8, "latent": 8, "mapping_layers": 2, "capacity": 4}),
}


def generator_of(name: str, **options: Any) -> LatentGenerator:
    """A generator as after training: no statistics, strengths or tables are zeros or ones."""
    kind, defaults = GENERATORS[name]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        generator = kind(**defaults | options)
        for layer in generator.modules():
            if isinstance(strength := getattr(layer, "strength", None), nn.Parameter):
                nn.init.constant_(strength, 0.3)
            if isinstance(layer, nn.BatchNorm2d) and layer.affine:
                nn.init.uniform_(layer.weight, 0.5, 1.5)
            if isinstance(layer, nn.Conv2d) and not layer.weight.any():
                nn.init.normal_(layer.weight)
        for _ in range(10):
            generator(torch.randn(32, generator.latent), torch.arange(32) % max(1, generator.classes))
    generator.spec = {"name": name, **defaults, **options}
    return generator


def card_of(generator: LatentGenerator) -> NoiseCard:
    return noise_card_of(generator, {"product": "generator", "step": "7"})


@pytest.fixture(scope="module", autouse=True)
def traced_once() -> Iterator[None]:
    """Tracing takes a second or two, so that each network is traced once for all tests."""
    models: dict[tuple, ModelProto] = {}
    trace = graph.trace

    def remembered(network: nn.Module, *values: Any, **options: Any) -> ModelProto:
        key = (repr(network), checksum(network), *options.items())
        if key not in models:
            models[key] = trace(network, *values, **options)
        return ModelProto.FromString(models[key].SerializeToString())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "trace", remembered)
        yield


def export(generator: LatentGenerator, file: Path, **options: Any) -> Any:
    return export_latent(generator, card_of(generator), file, **{"opset": 18} | options)


def shapes(model: ModelProto) -> dict[str, list[str | int]]:
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }


def test_every_latent_generator_is_tested_here() -> None:
    registered = {name for name in generators if issubclass(generators[name], LatentGenerator)}
    assert registered == set(GENERATORS)


@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in GENERATORS), ("dcgan", {"upsampling": "resize"})]
)
def test_the_same_seeds_give_the_same_images_as_torch(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    generator, file = generator_of(name, **options).train(), tmp_path / "x.onnx"
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    exported, proof = export(generator, file)
    assert generator.training and generator.state_dict().keys() == before.keys()
    assert all(torch.equal(before[key], value) for key, value in generator.state_dict().items())
    assert proof.holds and proof.max_error < 1e-4 and proof.scale > 0.3, "and there is something to compare"
    sampler, torch_sampler = ExportedSampler(file, providers=["cpu"]), TorchSampler(generator)
    assert sampler.card == exported and exported.step == 7 and exported.classes == generator.classes
    for truncation in (1.0, 0.4):
        result, expected = (each(range(5, 10), truncation=truncation) for each in (sampler, torch_sampler))
        assert result.shape == (5, generator.size, generator.size, 3) and result.dtype == np.uint8
        assert np.abs(result.astype(int) - expected).max() <= 1
    assert np.abs(sampler([5]).astype(int) - sampler([6])).max() > 20
    assert np.abs(sampler([5]).astype(int) - sampler([5], truncation=0.4)).max() > 5
    label = {"label": ["batch"]} if generator.classes else {}
    truncation = {"truncation": []} if generator.linear else {}
    shape = ["batch", 3, generator.size, generator.size]
    assert shapes(onnx.load(file)) == {"latent": ["batch", generator.latent], **label, **truncation, "image": shape}


def test_classes_reach_the_image_with_and_without_truncation(tmp_path: Path) -> None:
    generator = generator_of("stylegan2", classes=2)
    export(generator, tmp_path / "x.onnx")
    sampler = ExportedSampler(tmp_path / "x.onnx", providers=["cpu"])
    for truncation in (1.0, 0.4):
        by_label = [sampler([4], [label], truncation=truncation).astype(int) for label in (0, 1)]
        expected = [TorchSampler(generator)([4], [label], truncation=truncation) for label in (0, 1)]
        assert np.abs(by_label[0] - by_label[1]).max() > 3
        assert np.abs(np.array(by_label) - expected).max() <= 1


def test_truncation_is_an_optional_input(tmp_path: Path) -> None:
    export(generator_of("stylegan2"), tmp_path / "x.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx", options, providers=["CPUExecutionProvider"])
    sampler = ExportedSampler(tmp_path / "x.onnx", providers=["cpu"])
    latents = sampler.draw([1, 2])
    np.testing.assert_array_equal(session.run(None, {"latent": latents})[0], sampler.network(latents))


def test_weights_that_one_file_does_not_hold_are_external(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "LARGEST_FILE", 1000)
    generator = generator_of("dcgan")
    export(generator, tmp_path / "x.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.onnx", "x.onnx.data"]
    expected = TorchSampler(generator)([5]).astype(int)
    assert np.abs(ExportedSampler(tmp_path / "x.onnx", providers=["cpu"])([5]) - expected).max() <= 1


@pytest.mark.parametrize("name", GENERATORS)
def test_half_precision_with_pixels_as_output(name: str, tmp_path: Path) -> None:
    generator = generator_of(name)
    exported, proof = export(generator, tmp_path / "x.onnx", half=True, io="uint8")
    assert (exported.precision, exported.io) == ("float16", "uint8") and 50 < proof.psnr < 190
    model = onnx.load(tmp_path / "x.onnx")
    weights = [tensor for tensor in model.graph.initializer if numpy_helper.to_array(tensor).size > 4]
    assert onnx.TensorProto.FLOAT not in {tensor.data_type for tensor in weights}
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    expected = TorchSampler(generator)(range(3), truncation=0.7)
    sampler = ExportedSampler(tmp_path / "x.onnx", providers=["cpu"])
    assert np.abs(sampler(range(3), truncation=0.7).astype(int) - expected).max() <= 2
    assert sampler.weights == f"{exported.weights} in float16"


def changed_weight(model: ModelProto) -> None:
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    tensor.raw_data = (2 * numpy_helper.to_array(tensor)).tobytes()


def unread(name: str, operator: str) -> Callable[[ModelProto], None]:
    """Replaces an input by `operator` of it and itself, a constant, so that its value has no effect."""

    def change(model: ModelProto) -> None:
        for node in model.graph.node:
            node.input[:] = ["same" if each == name else each for each in node.input]
        model.graph.node.insert(0, helper.make_node(operator, [name, name], ["same"]))

    return change


def batch_of_two(model: ModelProto) -> None:
    """Fixes the batch to the one that the network was traced with."""
    for node in model.graph.node:
        node.input[:] = ["two" if each == "latent" else each for each in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 20]), "shape"))
    model.graph.node.insert(0, helper.make_node("Reshape", ["latent", "shape"], ["two"]))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("dcgan", changed_weight),
        ("dcgan", batch_of_two),
        ("biggan", unread("label", "Sub")),
        ("stylegan2", unread("truncation", "Div")),
    ],
    ids=["weight", "batch", "label", "truncation"],
)
def test_a_wrong_graph_is_refused_and_nothing_is_left(
    name: str, change: Callable[[ModelProto], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = graph.trace

    def wrong(*values: Any, **options: Any) -> ModelProto:
        model = trace(*values, **options)
        change(model)
        return model

    monkeypatch.setattr(graph, "trace", wrong)
    with pytest.raises(
        ValueError, match=r"generator: not exported, (it would not give .* \(beyond|ONNX Runtime)"
    ) as error:
        export(generator_of(name), tmp_path / "x.onnx")
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


class Noisy(DCGANGenerator):
    """Draws random numbers at test time."""

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        return super().synthesise(w + torch.rand_like(w), label)


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (Noisy, {}, "Noisy: its graph has RandomUniform"),
        (DCGANGenerator, {"opset": 14}, "opset: 14 is refused; allowed: 15 to 24"),
        (DCGANGenerator, {"half": True, "least_psnr": 190}, "beyond 190 dB"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    kind: type[DCGANGenerator], options: dict, sentence: str, tmp_path: Path
) -> None:
    generator = kind(size=32, latent=20, features=4)
    with pytest.raises(ValueError, match=sentence) as error:
        export(generator, tmp_path / "x.onnx", **options)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())
