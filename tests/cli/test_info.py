import pytest
import torch
from safetensors.torch import save_file

from i2i.checkpoints.card import card_of
from i2i.checkpoints.load import load_generator, save_generator
from i2i.cli import app
from i2i.export import export
from i2i.interop import architectures
from i2i.interop.architectures import Measured
from i2i.networks.generators.srvgg import SRVGGNet
from tests.architectures import random_state


def info(capsys, *arguments) -> str:
    app(args=["info", *map(str, arguments)], standalone_mode=False)
    return capsys.readouterr().out


@pytest.fixture
def ours(tmp_path):
    options = {"features": 4, "convolutions": 1, "scale": 2}
    generator = SRVGGNet(**options)
    generator.spec = {"name": "srvgg", **options}
    save_generator(tmp_path / "ours.safetensors", generator, {"product": "low_to_high", "step": "7"})
    return tmp_path / "ours.safetensors"


def test_it_says_what_weights_of_ours_are(ours, capsys):
    said = info(capsys, ours)
    assert "srvgg (" in said and "scale:        x2" in said and "RGB to RGB" in said and "tiles that share 6" in said
    assert "step:         7" in said and "licence:      the file does not say" in said


def test_it_says_what_others_wrote_into_their_file(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setattr(architectures, "measure", lambda generator: Measured(8, 16, True))
    metadata = {"modelspec.license": "CC-BY-4.0", "modelspec.author": "A\x1b[31m Person", "modelspec.title": ""}
    save_file(random_state("SwinIR"), tmp_path / "4x.safetensors", metadata=metadata)
    said = info(capsys, tmp_path / "4x.safetensors")
    assert "SwinIR (small, " in said and "SR, by spandrel" in said and "licence:      CC-BY-4.0" in said
    assert "tiles that share 16 pixels and begin at multiples of 8" in said
    assert "author:       A [31m Person" in said and "title" not in said, "no control characters, nothing empty"


def test_it_says_what_an_exported_file_is(ours, tmp_path, capsys):
    generator, facts = load_generator(ours)
    export(generator, card_of(generator, facts), tmp_path / "net.onnx")
    said = info(capsys, ours, tmp_path / "net.onnx")
    assert f"{ours}:" in said and "exported:     image generator" in said and "scale:        2" in said


def test_the_licence_of_known_weights_is_known(capsys, monkeypatch):
    from i2i.checkpoints import describe

    monkeypatch.setattr(describe, "load_network", lambda *arguments, **options: (SRVGGNet(features=4), {}))
    monkeypatch.setattr(SRVGGNet, "spec", {"name": "srvgg"}, raising=False)
    assert "licence:      BSD-3-Clause" in info(capsys, "realesr-animevideov3")


def test_a_file_that_is_no_model_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"nothing")
    torch.save({"a": 1}, tmp_path / "net.pth")
    for name, sentence in (("net.onnx", "not an .onnx file"), ("net.pth", "not a published checkpoint")):
        with pytest.raises(ValueError, match=sentence):
            app(args=["info", str(tmp_path / name)], standalone_mode=False)


def test_of_several_files_those_that_are_models_are_described_beside_one_that_is_none(ours, tmp_path, capsys):
    torch.save({"a": 1}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="1 of 2 are no models"):
        app(args=["info", str(tmp_path / "net.pth"), str(ours)], standalone_mode=False)
    said = capsys.readouterr().out
    assert "refused:      " in said and "not a published checkpoint" in said and "scale:        x2" in said
