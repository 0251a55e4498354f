"""Graphs of earlier opsets give the same, or name the operator that needs a later one."""

from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, parser

from i2i.export import export
from i2i.export.latent import export_latent
from i2i.export.opset import lower_opset
from tests.export import test_latent as latent
from tests.export.networks import card, generator_of


@pytest.mark.parametrize("name", ["resnet, resized", "srvgg"])
def test_an_image_generator_in_opset_15_gives_what_it_gives_in_18(name: str, tmp_path: Path) -> None:
    generator, file = generator_of(name), tmp_path / "x.onnx"
    exported, proof = export(generator, card(generator), file, opset=15)
    assert proof.holds and exported.opset == 15
    model = onnx.load(file)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 15)] and model.ir_version == 8


@pytest.mark.parametrize("name", ["stylegan2", "biggan"])
def test_a_latent_generator_in_opset_15_gives_what_it_gives_in_18(name: str, tmp_path: Path) -> None:
    generator, file = latent.generator_of(name), tmp_path / "x.onnx"
    exported, proof = export_latent(generator, latent.card_of(generator), file, opset=15)
    assert proof.holds and exported.opset == 15 and onnx.load(file).opset_import[0].version == 15


def model_of(node: str) -> ModelProto:
    text = (
        '<ir_version: 8, opset_import: ["" : 18]> g (float[1,1,4,4] x, int64[8] p, int64[4] axes) => (float[a,b,c,d] y)'
    )
    return parser.parse_model(f"{text} {{ {node} }}")


@pytest.mark.parametrize(
    ("node", "operator"),
    [
        ("y = Pad(x, p, , axes)", "Pad"),
        ("y = ReduceMean(x, axes)", "ReduceMean"),
        ("y = Resize<antialias = 1>(x, , , p)", "Resize"),
        ("y = Resize<axes = [2, 3]>(x, , , axes)", "Resize"),
        ("y = Mish(x)", "Mish"),
    ],
)
def test_what_an_earlier_opset_does_not_have_is_named(node: str, operator: str) -> None:
    with pytest.raises(ValueError, match=f"opset: the network has {operator} as of opset 18, which 17 does not have"):
        lower_opset(model_of(node), 17)


def test_what_changed_its_types_alone_stays_as_it_is() -> None:
    model = model_of("y = LeakyRelu<alpha = 0.3>(x)")
    before = model.graph.SerializeToString()
    lower_opset(model, 15)
    assert model.graph.SerializeToString() == before
