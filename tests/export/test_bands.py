"""A file with instance norm says how large images go through it in bands of rows, or why they can't."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import ModelProto
from torch import nn

from i2i import export as module
from i2i.checkpoints.card import card_of
from i2i.export import export
from i2i.export.bands import plan
from i2i.export.graph import InUnitRange, trace
from i2i.export.precision import to_half
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator
from i2i.networks.layers import set_test_time
from i2i_runtime.bands import Part, run_in_bands
from i2i_runtime.bands.plan import Map
from i2i_runtime.card import Card
from i2i_runtime.engines.onnxruntime import Session

GAIN = 0.3  # large enough that every layer matters
GENERATORS: dict[str, Callable[[], ImageGenerator]] = {
    "resnet": lambda: ResnetGenerator(features=4, blocks=2, init_gain=GAIN),
    "resnet, resized": lambda: ResnetGenerator(features=3, blocks=1, upsampling="resize", init_gain=GAIN),
    "unet, published": lambda: set_test_time(
        UnetGenerator(features=4, depth=4, dropout=False, init_gain=GAIN), "published"
    ),
}


@pytest.fixture(scope="module")
def graph_of() -> Callable[[str], tuple[ModelProto, Card]]:
    """The graph and the card of each generator, traced once since that takes a second or two."""
    made: dict[str, tuple[ModelProto, Card]] = {}

    def graph(name: str) -> tuple[ModelProto, Card]:
        if name not in made:
            torch.manual_seed(0)
            generator = GENERATORS[name]().eval()
            for layer in generator.modules():
                layer.training = False
            made[name] = trace(InUnitRange(generator), opset=18), card(generator)
        model, facts = made[name]
        return ModelProto.FromString(model.SerializeToString()), facts

    return graph


def card(generator: ImageGenerator) -> Card:
    return card_of(generator, {"product": "generator", "recipe": ""})


def picture(height: int, width: int) -> np.ndarray:
    """Noise over a slope, so that no two parts have the same statistics."""
    slope = np.linspace(0, 0.6, height, dtype=np.float32)[:, None, None]
    return slope + np.random.default_rng(0).random((height, width, 3), np.float32) * 0.4


def open_part(file: bytes) -> Part:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda maps: session.run(None, maps)[0]


def in_bands(model: ModelProto, card: Card, maps: list[Map], image: np.ndarray, rows: int) -> np.ndarray:
    out = np.empty_like(image)
    run_in_bands(model.SerializeToString(), maps, card, image, out, open_part, rows=rows)
    return out


@pytest.mark.parametrize("name", GENERATORS)
def test_bands_of_any_height_give_what_the_whole_image_gives(name: str, graph_of) -> None:
    model, card = graph_of(name)
    image = picture(5 * card.multiple_of + 40 // card.multiple_of * card.multiple_of, 3 * card.multiple_of)
    (whole,) = open_part(model.SerializeToString())({"image": image.transpose(2, 0, 1)[None]})
    assert whole.std() > 0.05
    for rows in (1, 3, 16, 1000):
        result = in_bands(model, card, plan(model, card), image, rows)
        np.testing.assert_allclose(result.transpose(2, 0, 1), whole, atol=2e-5)


def test_no_more_is_stored_than_three_maps_at_a_quarter_of_the_size(graph_of) -> None:
    model, card = graph_of("resnet")
    maps = plan(model, card)
    assert [one.name for one in maps if one.norm is None] == [
        "image",
        *(m.made for m in maps if "add" in m.made),
        "result",
    ]
    assert [one.rate for one in maps if not one.stored] == [(1, 1)] * 4, "image, stem, last up-sampling, result"
    assert sum("add" in one.made for one in maps) == 1, "a sum that is read once is part of what reads it"


def test_half_precision_stays_between_the_parts(graph_of) -> None:
    model, card = graph_of("resnet")
    model, image = to_half(model), picture(60, 28)
    maps = plan(model, replace(card, precision="float16"))
    assert [one.type for one in maps] == [1, *[10] * (len(maps) - 2), 1]
    (whole,) = open_part(model.SerializeToString())({"image": image.transpose(2, 0, 1)[None]})
    error = in_bands(model, card, maps, image, 5).transpose(2, 0, 1) - whole
    assert -10 * np.log10(np.square(error).mean()) > 50


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch, graph_of) -> Iterator[None]:
    """`export` of the ResNet without tracing it."""
    monkeypatch.setattr(module, "trace", lambda *_, **__: graph_of("resnet")[0])
    torch.manual_seed(0)
    return GENERATORS["resnet"]()


@pytest.mark.parametrize("options", [{}, {"io": "uint8"}, {"half": True}, {"int8": True}], ids=str)
def test_an_exported_file_takes_large_images_in_bands(options: dict[str, Any], traced, tmp_path: Path) -> None:
    if "int8" in options:
        options = {"int8": [picture(40, 32).transpose(2, 0, 1)[None]] * 2, "least_psnr": 20}
    said, _ = export(traced, card(traced), tmp_path / "x.onnx", **options)
    assert said.proof["large_images"].startswith("in bands of rows; ONNX Runtime")
    session, image = Session(tmp_path / "x.onnx", providers=["cpu"]), (picture(70, 50) * 255).astype(np.uint8)
    result = np.empty_like(image)
    assert session.banded is not None and session.card == said
    session.banded(image, result)
    difference = np.abs(result - session(image).astype(int))
    assert difference.max() <= 1 if said.precision == "float32" else difference.mean() < 3


def test_a_plan_that_gives_something_else_is_left_out(traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(model: ModelProto, card: Card) -> list[Map]:
        maps = plan(model, card)
        return [replace(one, spoilt=(0, 0)) if one is maps[2] else one for one in maps]

    monkeypatch.setattr(module, "plan", wrong)
    said, proof = export(traced, card(traced), tmp_path / "x.onnx")
    assert said.proof["large_images"].startswith(
        "whole, since they would not be the same in bands of rows; ONNX Runtime"
    )
    assert proof.holds and Session(tmp_path / "x.onnx", providers=["cpu"]).banded is None


class Pooled(ResnetGenerator):
    """Every pixel depends on all."""

    def __init__(self) -> None:
        super().__init__(features=2, blocks=0)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return super().forward(image) + image.mean()


class Spread(ResnetGenerator):
    """Repeats pixels by another rule."""

    def __init__(self) -> None:
        super().__init__(features=2, blocks=0)
        self.up = nn.Sequential(nn.Conv2d(8, 2, 1), nn.Upsample(scale_factor=4, mode="bilinear"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Pooled, "whole, since ReduceMean is unknown here"),
        (Spread, "whole, since up-sampling other than by repeating pixels is unknown here"),
        (lambda: SRVGGNet(features=2, convolutions=1, scale=2), "in tiles that share 6 pixels"),
    ],
    ids=["pooled", "spread", "tiles"],
)
def test_why_images_do_not_go_in_bands_is_said(make, reason: str, tmp_path: Path) -> None:
    generator = make()
    said, _ = export(generator, card(generator), tmp_path / "x.onnx")
    assert said.proof["large_images"] == reason and Session(tmp_path / "x.onnx", providers=["cpu"]).banded is None


def test_sizes_that_do_not_halve_evenly_and_sizes_that_are_fixed_are_no_plan(graph_of, traced, tmp_path: Path) -> None:
    model, card = graph_of("resnet")
    with pytest.raises(ValueError, match="it halves its maps more often than multiples of 2 allow"):
        plan(model, replace(card, multiple_of=2))
    said, _ = export(traced, card, tmp_path / "x.onnx", size=(1, 16, 16))
    assert said.proof["large_images"] == "none, since it takes one size"
