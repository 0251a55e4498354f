"""Large images run over bands of rows with the result of the whole image, or the card says why they cannot."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import ModelProto

from i2i.export import bands, export
from i2i.export import image as image_export
from i2i.export.band_plan import plan_bands
from i2i.export.bands import open_in_bands
from i2i.export.graph import InUnitRange, trace_generator
from i2i.export.precision import to_half
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.srvgg import SRVGGNet
from i2i_runtime.bands import run_in_bands
from i2i_runtime.bands.plan import FeatureMap
from i2i_runtime.card import Card
from i2i_runtime.engines.onnxruntime import Session, open_subgraph
from tests.export.banded_networks import GENERATORS, Bicubic, Pooled, Shrinking, card, picture, resnet


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


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Pooled, "whole, since ReduceMean is unknown here"),
        (
            Bicubic,
            "whole, since up-sampling other than nearest-neighbour and bilinear by a whole factor is unknown here",
        ),
        (Shrinking, "whole, since its feature maps do not line up with the image (a convolution without padding)"),
        (lambda: SRVGGNet(features=2, convolutions=1, scale=2), "in tiles that share 6 pixels"),
    ],
    ids=["pooled", "bicubic", "shrinking", "tiles"],
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
