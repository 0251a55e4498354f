"""Large images run over bands of rows with the result of the whole image, or it is said why they cannot."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import ModelProto
from torch import Tensor, nn

from i2i.checkpoints.card import card_of
from i2i.export import bands, export
from i2i.export import image as image_export
from i2i.export.band_plan import plan_bands
from i2i.export.bands import open_in_bands
from i2i.export.graph import InUnitRange, trace_generator
from i2i.export.precision import to_half
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator
from i2i.networks.layers import set_test_time
from i2i_runtime.bands import run_in_bands
from i2i_runtime.bands.plan import FeatureMap
from i2i_runtime.card import Card
from i2i_runtime.engines.onnxruntime import Session, open_subgraph

GAIN = 0.3  # large enough that every layer matters


class Plugin(ImageGenerator):
    """A generator of given layers, in [0, 1]."""

    in_channels = out_channels = 3
    value_range = (0.0, 1.0)
    multiple_of = 4

    def __init__(self, *layers: nn.Module, scale: int = 1) -> None:
        super().__init__()
        self.layers, self.scale = nn.Sequential(*layers), scale

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


class InPlace(Plugin):
    """A ReLU in place on a feature map that a later layer reads too."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 3, 3, padding=1), nn.InstanceNorm2d(3), nn.Conv2d(3, 3, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        first = self.layers[1](self.layers[0](image))
        second = self.layers[2](nn.functional.relu(first, inplace=True))
        second += first
        return second


def resnet(**options: Any) -> ImageGenerator:
    return ResnetGenerator(**{"features": 4, "blocks": 2, "init_gain": GAIN, **options})


def unet(**options: Any) -> ImageGenerator:
    return UnetGenerator(**{"features": 4, "depth": 4, "dropout": False, "init_gain": GAIN, **options})


# Kernels, strides and paddings of all kinds
LAYERS: dict[str, Callable[[], list[nn.Module]]] = {
    "stride 4": lambda: [nn.Conv2d(3, 6, 5, stride=4, padding=2, groups=3), nn.ConvTranspose2d(6, 3, 4, stride=4)],
    "oblong kernel": lambda: [nn.Conv2d(3, 4, (3, 5), padding=(1, 2)), nn.InstanceNorm2d(4), nn.Conv2d(4, 3, 1)],
    "affine norm": lambda: [nn.Conv2d(3, 4, 3, padding=1), nn.InstanceNorm2d(4, affine=True), nn.Conv2d(4, 3, 1)],
    "dilation": lambda: [nn.Conv2d(3, 3, 3, padding=2, dilation=2), nn.InstanceNorm2d(3)],
    "reflection": lambda: [
        nn.Conv2d(3, 3, 2, 2), nn.ReflectionPad2d(5), nn.Conv2d(3, 3, 11), nn.Upsample(scale_factor=2)
    ],
    "groups": lambda: [nn.Conv2d(3, 6, 4, stride=4), nn.ConvTranspose2d(6, 3, 4, stride=4, groups=3)],
    "output padding": lambda: [nn.Conv2d(3, 3, 3, 2, 1), nn.ConvTranspose2d(3, 3, 7, 2, 3, output_padding=1)],
    "larger inside": lambda: [
        nn.ConvTranspose2d(3, 4, 4, 2, 1), nn.InstanceNorm2d(4), nn.LeakyReLU(0.2), nn.Conv2d(4, 3, 4, 2, 1)
    ],
    "two convolutions": lambda: [
        nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1), nn.InstanceNorm2d(3), nn.Sigmoid()
    ],
}  # fmt: skip
GENERATORS: dict[str, Callable[[], ImageGenerator]] = {
    "resnet": resnet,
    "resnet, resized": lambda: resnet(features=3, blocks=1, upsampling="resize"),
    "resnet, grey": lambda: resnet(features=3, blocks=0, in_channels=1),
    "unet": lambda: unet(norm="instance"),
    "unet, published": lambda: set_test_time(unet(), "published"),
    "in place": InPlace,
    "three times as large": lambda: Plugin(
        nn.Conv2d(3, 3, 3, padding=1), nn.InstanceNorm2d(3), nn.Upsample(scale_factor=3), scale=3
    ),
    **{name: lambda layers=layers: Plugin(*layers()) for name, layers in LAYERS.items()},
}


@pytest.fixture(scope="module")
def graph_of() -> Callable[[str], tuple[ModelProto, Card]]:
    """The graph and the card of each generator, traced once since that takes a second or two."""
    traced: dict[str, tuple[ModelProto, Card]] = {}

    def graph(name: str) -> tuple[ModelProto, Card]:
        if name not in traced:
            torch.manual_seed(0)
            generator = GENERATORS[name]()
            for layer in generator.modules():
                layer.training = False
            traced[name] = trace_generator(InUnitRange(generator), opset=18), card(generator)
        model, facts = traced[name]
        return ModelProto.FromString(model.SerializeToString()), facts

    return graph


def card(generator: ImageGenerator) -> Card:
    return card_of(generator, {"product": "generator", "recipe": ""})


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Noise over a slope, so that no two parts have the same statistics."""
    slope = np.linspace(0, 0.6, height, dtype=np.float32)[:, None, None]
    return slope + np.random.default_rng(0).random((height, width, channels), np.float32) * 0.4


def at_once(model: ModelProto, image: np.ndarray) -> np.ndarray:
    session = open_subgraph(model.SerializeToString(), provider="cpu")
    return session({"image": np.ascontiguousarray(image.transpose(2, 0, 1)[None])})[0].transpose(1, 2, 0)


def in_bands(model: ModelProto, card: Card, plan: list[FeatureMap], image: np.ndarray, rows: int) -> np.ndarray:
    out = np.empty((image.shape[0] * card.scale, image.shape[1] * card.scale, card.out_channels), np.float32)
    opener = lambda file: open_subgraph(file, provider="cpu")  # noqa: E731
    run_in_bands(model.SerializeToString(), plan, card, image, out, opener, rows=rows)
    return out


@pytest.mark.parametrize("name", GENERATORS)
def test_bands_of_any_height_give_what_the_whole_image_gives(name: str, graph_of) -> None:
    model, card = graph_of(name)
    height = 5 * card.multiple_of + 40 // card.multiple_of * card.multiple_of
    image = picture(height, 3 * card.multiple_of, card.in_channels)
    whole = at_once(model, image)
    assert whole.std() > 0.02
    for rows in (1, 3, 16, 1000):
        np.testing.assert_allclose(in_bands(model, card, plan_bands(model, card), image, rows), whole, atol=2e-5)


def test_no_more_is_stored_than_three_maps_at_a_quarter_of_the_size(graph_of) -> None:
    plan = plan_bands(*graph_of("resnet"))
    sums = [each.output for each in plan if "add" in each.output]
    assert [each.name for each in plan if each.norm is None] == ["image", *sums, "result"]
    assert [each.scale for each in plan if not each.stored] == [(1, 1)] * 4, "image, stem, last up-sampling, result"
    assert len(sums) == 1, "a sum that is read once is in the subgraph that reads it"


def test_half_precision_stays_between_the_subgraphs(graph_of) -> None:
    model, card = graph_of("resnet")
    model, image = to_half(model), picture(60, 28)
    plan = plan_bands(model, replace(card, precision="float16"))
    assert [each.elem_type for each in plan] == [1, *[10] * (len(plan) - 2), 1]
    error = in_bands(model, card, plan, image, 5) - at_once(model, image)
    assert -10 * np.log10(np.square(error).mean()) > 50


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch, graph_of) -> ImageGenerator:
    """The ResNet, which `export` need not trace again."""
    monkeypatch.setattr(image_export, "trace_generator", lambda *_, **__: graph_of("resnet")[0])
    torch.manual_seed(0)
    return GENERATORS["resnet"]()


@pytest.mark.parametrize("options", [{}, {"io": "uint8"}, {"half": True}, {"int8": True}], ids=str)
def test_an_exported_file_takes_large_images_in_bands(options: dict[str, Any], traced, tmp_path: Path) -> None:
    if "int8" in options:
        options = {"int8": [picture(40, 32).transpose(2, 0, 1)[None]] * 2, "least_psnr": 20}
    exported, _ = export(traced, card(traced), tmp_path / "x.onnx", **options)
    assert exported.proof["large_images"].startswith("in bands of rows; ONNX Runtime")
    session, image = Session(tmp_path / "x.onnx", providers=["cpu"]), (picture(70, 50) * 255).astype(np.uint8)
    result = np.empty_like(image)
    assert session.banded is not None and session.card == exported
    session.banded(image, result)
    difference = np.abs(result - session(image).astype(int))
    assert difference.max() <= 1 if exported.precision == "float32" else difference.mean() < 3


def without_halo(model: ModelProto, card: Card) -> list[FeatureMap]:
    plan = plan_bands(model, card)
    return [replace(each, halo=(0, 0)) if each is plan[2] else each for each in plan]


def test_a_plan_that_gives_something_else_is_left_out(traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "plan_bands", without_halo)
    exported, proof = export(traced, card(traced), tmp_path / "x.onnx")
    assert exported.proof["large_images"].startswith(
        "whole, since they would not be the same in bands of rows; ONNX Runtime"
    )
    assert proof.holds and Session(tmp_path / "x.onnx", providers=["cpu"]).banded is None


def test_a_torch_generator_whose_bands_give_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "plan_bands", without_halo)
    generator = resnet(features=2, blocks=0)
    with pytest.raises(ValueError, match="the result would not be the same: ONNX Runtime"):
        open_in_bands(generator, card(generator))


class Pooled(ResnetGenerator):
    """Every pixel depends on all."""

    def __init__(self) -> None:
        super().__init__(features=2, blocks=0)

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) + image.mean()


class Bilinear(ResnetGenerator):
    """Up-sampling that is not local in the sense of a plan."""

    def __init__(self) -> None:
        super().__init__(features=2, blocks=0)
        self.up = nn.Sequential(nn.Conv2d(8, 2, 1), nn.Upsample(scale_factor=4, mode="bilinear"))


class Shrinking(Plugin):
    """A convolution without padding before a norm, padded after it: rows do not lie where the plan expects them."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 3, 3), nn.InstanceNorm2d(3), nn.ReflectionPad2d(1))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Pooled, "whole, since ReduceMean is unknown here"),
        (Bilinear, "whole, since up-sampling other than nearest-neighbour by a whole factor is unknown here"),
        (Shrinking, "whole, since generator: not exported, ONNX Runtime can't run it"),
        (lambda: SRVGGNet(features=2, convolutions=1, scale=2), "in tiles that share 6 pixels"),
    ],
    ids=["pooled", "bilinear", "shrinking", "tiles"],
)
def test_the_card_says_why_images_do_not_go_in_bands(make, reason: str, tmp_path: Path) -> None:
    generator = make()
    exported, _ = export(generator, card(generator), tmp_path / "x.onnx")
    assert exported.proof["large_images"].startswith(reason)
    assert Session(tmp_path / "x.onnx", providers=["cpu"]).banded is None


def test_sizes_that_do_not_halve_evenly_and_sizes_that_are_fixed_have_no_plan(graph_of, traced, tmp_path: Path) -> None:
    model, card = graph_of("resnet")
    with pytest.raises(ValueError, match="it halves its feature maps more often than multiples of 2 allow"):
        plan_bands(model, replace(card, multiple_of=2))
    exported, _ = export(traced, card, tmp_path / "x.onnx", size=(1, 16, 16))
    assert exported.proof["large_images"] == "none, since it takes one size"
