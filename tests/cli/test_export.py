"""`i2i export` writes a run or a file as .onnx and prints the proof, or prints one sentence and writes nothing."""

import re
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from onnx import ModelProto
from torch import nn

import i2i
from i2i.checkpoints.load import save_generator
from i2i.cli import export as module
from i2i.cli import main
from i2i.export import image as exporting
from i2i.recipe.components import build
from i2i.registry import generators
from i2i.training import run
from i2i_runtime import images
from i2i_runtime.engines.onnxruntime import Session
from i2i_runtime.engines.sampler import ExportedSampler
from tests.export.test_latent import generator_of
from tests.published import published_srvgg
from tests.worlds import Recorder, tiny_recipe, tiny_world

app = typer.Typer()
app.command("export")(module.export)


def call(*words: str | Path) -> None:
    app(args=[str(word) for word in words], standalone_mode=False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_becomes_a_file_that_says_where_it_is_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run.train(
        tiny_recipe("pix2pix", tiny_world(tmp_path / "world"), "train.steps=3"), tmp_path / "run", reporter=Recorder()
    )
    call(folder)
    printed = capsys.readouterr().out
    assert "source_to_target, test time published, but dropout off, float32, opset 18" in printed
    assert "proof: ONNX Runtime" in printed and "(within 1.0e-04)" in printed and "source_to_target.onnx (" in printed
    assert "large images: " in printed
    session = Session("source_to_target.onnx", providers=["cpu"])
    assert session.card.step == 3 and 'name = "pix2pix"' in session.card.recipe and session.card.proof["holds"]
    assert tomllib.loads(session.card.recipe)["data"]["source"] == ["world"]
    assert str(tmp_path) not in Path("source_to_target.onnx").read_bytes().decode(errors="ignore")


def test_a_published_file_with_pixels_of_one_size_at_its_ends(capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(published_srvgg(convolutions=1)[1], "net.pth")
    call("net.pth", "-o", "out/x4.onnx", "--half", "--io", "uint8", "--static", "1x32x48", "--opset", "20")
    assert "float16, opset 20" in capsys.readouterr().out
    session = Session("out/x4.onnx", providers=["cpu"])
    assert session.card.size == (1, 32, 48) and session.card.product == "net"
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    assert np.abs(session(image).astype(int) - i2i.load("net.pth", device="cpu")(image)).max() <= 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("gone.pth",), r"gone\.pth: no such file"),
        (("net.pth", "-o", "x.pb"), r"x\.pb: an exported file is an \.onnx; name such a file"),
        (("net.pth", "-o", "net.pth"), r"net\.pth: is there already; name another, or --overwrite"),
        (("net.pth", "--static", "512x512"), "--static 512x512: not a batch, a height and a width"),
        (("net.pth", "--test-time", "published", "--half", "--least-psnr", "190"), r"not exported.*beyond 190 dB"),
    ],
)
def test_what_is_refused_is_one_sentence_and_no_file(words: tuple[str, ...], sentence: str) -> None:
    torch.save(published_srvgg(convolutions=1)[1], "net.pth")
    with pytest.raises(ValueError, match=sentence) as error:
        call(*words)
    assert "\n" not in str(error.value) and [path.name for path in Path().iterdir()] == ["net.pth"]


def test_a_file_that_is_not_the_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(published_srvgg(convolutions=1)[1], "net.pth")
    trace_generator = exporting.trace_generator

    def wrong(network: nn.Module, **options: Any) -> ModelProto:
        network = deepcopy(network)
        with torch.no_grad():
            network.generator.head.weight *= 1.02
        return trace_generator(network, **options)

    monkeypatch.setattr(exporting, "trace_generator", wrong)
    with pytest.raises(ValueError, match=r"net: not exported, it would not give the same: .*\(beyond 1\.0e-04\)"):
        call("net.pth")
    assert [path.name for path in Path().iterdir()] == ["net.pth"]


def run_command(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr("sys.argv", ["i2i", *map(str, words)])
        main()
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out, printed.err


@pytest.fixture
def stored() -> str:
    save_generator(Path("faces.safetensors"), generator_of("dcgan"), {"step": "7"})
    return "faces.safetensors"


def test_a_latent_generator_is_exported_and_sampled(stored: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = run_command("export", stored, "-o", "faces.onnx", capsys=capsys)
    assert code == 0 and "test time eval, float32, opset 18" in printed and "4 of 32x32" in printed
    assert "i2i sample faces.onnx" in printed
    assert ExportedSampler("faces.onnx", providers=["cpu"]).card.step == 7
    for model in (stored, "faces.onnx"):  # the second goes on where the first stopped
        code, printed, _ = run_command("sample", model, "samples", "--n", "3", capsys=capsys)
        assert code == 0
    assert "0 written, 3 there already, on onnxruntime cpu" in printed
    assert run_command("sample", "faces.onnx", "sheet.png", "--grid", "--n", "4", capsys=capsys)[0] == 0
    Path("in").mkdir()
    images.write(Path("in/a.png"), np.zeros((8, 8, 3), np.uint8))
    for words in (("translate", "faces.onnx", "in", "out"), ("bench", "faces.onnx"), ("stream", "faces.onnx")):
        size = ("--size", "8x8") if words[0] == "stream" else ()
        code, _, error = run_command(*words, *size, capsys=capsys)
        assert code == 1 and "faces.onnx: makes images of noise, not of images; use sample" in error


@pytest.mark.parametrize(
    "option", [("--static", "1x64x64"), ("--int8", "in"), ("--triton", "models"), ("--test-time", "published")]
)
def test_options_of_image_generators_are_refused_for_latent_ones(
    stored: str, option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run_command("export", stored, "-o", "faces.onnx", *option, capsys=capsys)
    assert code == 1 and f"{option[0]}: is for generators of images from images" in error
    assert [path.name for path in Path().iterdir()] == [stored]


def test_frozen_norms_are_named_with_their_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = build(generators, {"name": "resnet", "features": 2, "blocks": 0, "in_channels": 3, "out_channels": 3})
    save_generator(Path("net.safetensors"), generator, {})
    frames = tiny_world(tmp_path / "world")
    call("net.safetensors", "-o", "x.onnx", "--freeze-norms", frames, "--frozen-psnr", "0")
    printed = capsys.readouterr().out
    assert re.search(r"norms frozen on \d+ frames; on \d+ others .* dB \(worst frame .* grey levels of 255", printed)
    assert "large images: in tiles that share 24 pixels" in printed
    with pytest.raises(ValueError, match="--frozen-psnr: is for --freeze-norms FRAMES/; give both, or neither"):
        call("net.safetensors", "-o", "y.onnx", "--frozen-psnr", "20")
