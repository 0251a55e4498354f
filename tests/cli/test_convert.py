"""`i2i convert` and `i2i interpolate`, from runs and files to files that load."""

from pathlib import Path

import pytest
import torch
import typer
from spandrel import ModelLoader

import i2i
from i2i.checkpoints.load import load_generator, save_generator
from i2i.cli import convert as module
from i2i.interop import load_published
from i2i.recipe.components import build
from i2i.registry import generators, weights
from i2i.training import run
from tests.cli.test_cli import i2i_run
from tests.published import assert_same_weights, published_resnet, published_rrdb, published_srvgg
from tests.worlds import Recorder, tiny_recipe, tiny_world

app = typer.Typer()
app.command("convert")(module.convert)
app.command("interpolate")(module.interpolate)


def call(*words: str | Path) -> None:
    app(args=[str(word) for word in words], standalone_mode=False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def cyclegan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cyclegan")
    world = tiny_world(folder / "world")
    return run.train(tiny_recipe("cyclegan", world, "train.steps=1"), folder / "run", reporter=Recorder())


def test_a_run_is_written_for_the_published_tools(cyclegan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("convert", cyclegan, "--to", "official", "--product", "b_to_a")
    call("convert", cyclegan / "latest", "--to", "official", "--out", "latest_net_G.pth")
    assert capsys.readouterr().out.split() == ["b_to_a.pth", "latest_net_G.pth"]
    for file, product in (("b_to_a.pth", "b_to_a"), ("latest_net_G.pth", "a_to_b")):
        assert_same_weights(load_published(file), load_generator(cyclegan, product)[0])


def test_a_published_file_becomes_ours_and_official_again() -> None:
    network, state = published_rrdb("2018", blocks=2)
    torch.save({"params": state}, "old.pth")
    call("convert", "old.pth", "--to", "i2i")
    generator, facts = load_generator("old.safetensors")
    assert_same_weights(generator, network)
    assert facts["source"] == "old.pth" and facts["product"] == "old"
    call("convert", "old.safetensors", "--to", "official", "--out", "new.pth")
    assert_same_weights(load_published("new.pth"), network)
    assert "body.1.rdb3.conv5.weight" in torch.load("new.pth", weights_only=True)["params_ema"]


def test_batch_norms_keep_the_test_time_they_were_published_with() -> None:
    torch.save(dict(published_resnet(blocks=1, norm="batch")), "latest_net_G.pth")
    call("convert", "latest_net_G.pth", "--to", "i2i")
    assert load_generator("latest_net_G.safetensors")[1]["test_time"] == "published"


def test_nothing_is_written_over() -> None:
    torch.save(published_srvgg(convolutions=1)[1], "net.pth")
    before = Path("net.pth").read_bytes()
    with pytest.raises(ValueError, match=r"net\.pth: is there already; name another, or --overwrite"):
        call("convert", "net.pth", "--to", "official")
    assert Path("net.pth").read_bytes() == before


def test_two_files_are_blended_and_the_result_loads_everywhere() -> None:
    (a, state_a), (b, state_b) = (published_srvgg(convolutions=1) for _ in range(2))
    torch.save(state_a, "a.pth")
    torch.save(state_b, "b.pth")
    call("convert", "b.pth", "--to", "i2i")
    call("interpolate", "a.pth", "b.safetensors", "--alpha", "0.25")
    generator, facts = load_generator("interpolated-0.25.safetensors")
    for key, tensor in generator.state_dict().items():
        torch.testing.assert_close(tensor, 0.75 * a.state_dict()[key] + 0.25 * b.state_dict()[key])
    assert facts["source"] == "(1 - 0.25) * a.pth + 0.25 * b.safetensors"
    image = torch.rand(3, 8, 8)
    expected = generator.eval()(image[None])[0].clamp(0, 1)
    torch.testing.assert_close(i2i.load("interpolated-0.25.safetensors", device="cpu")(image), expected)
    call("convert", "interpolated-0.25.safetensors", "--to", "official")
    assert ModelLoader().load_from_file("interpolated-0.25.pth").architecture.id == "Compact"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("gone.pth", "a.pth"), r"gone\.pth: no such file"),
        (("a.pth", "other.pth"), "networks of two architectures"),
        (("a.pth", "a.pth", "--out", "b.pth"), r"b\.pth: allowed: a file whose name ends in \.safetensors"),
        (("a.pth", "realesrgan-x4pls"), "did you mean 'realesrgan-x4plus'"),
    ],
)
def test_what_cannot_be_blended_is_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    torch.save(published_srvgg(convolutions=1)[1], "a.pth")
    torch.save(published_srvgg(convolutions=2)[1], "other.pth")
    with pytest.raises(ValueError, match=sentence) as error:
        call("interpolate", *words)
    assert "\n" not in str(error.value)
    assert not list(Path().glob("*.safetensors"))


def test_the_known_weights_are_listed_with_their_licence(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = i2i_run("list", "weights", capsys=capsys)
    assert code == 0 and out.startswith("weights:\n")
    assert all(f"  {name} " in out for name in weights) and out.count("BSD-3-Clause") > 3


def test_a_run_is_written_for_ncnn(cyclegan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("convert", cyclegan, "--to", "ncnn", "-o", "out/net")
    call(*command, "--half")
    said = capsys.readouterr().out
    assert "ncnn against torch: " in said and said.endswith("out/net.param\nout/net.bin\n")
    assert {file.name for file in Path("out").iterdir()} == {"net.param", "net.bin"}
    with pytest.raises(ValueError, match=r"net\.param: is there already"):
        call(*command)
    with pytest.raises(ValueError, match="--half is for --to ncnn"):
        call("convert", cyclegan, "--to", "official", "--half")


def test_frozen_norms_are_weights_to_go_on_training_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = {"name": "resnet", "features": 2, "blocks": 0, "norm": "instance", "in_channels": 3, "out_channels": 3}
    save_generator(tmp_path / "own.safetensors", build(generators, table), {})
    frames = tiny_world(tmp_path / "world")
    call("convert", "own.safetensors", "--to", "i2i", "--out", "frozen.safetensors", "--freeze-norms", frames)
    assert "norms frozen on" in capsys.readouterr().out
    generator, _ = load_generator("frozen.safetensors")
    assert generator.spec["norm"] == "frozen" and generator.overlap == 24
    with pytest.raises(ValueError, match="--freeze-norms is for --to i2i"):
        call("convert", "own.safetensors", "--to", "official", "--freeze-norms", frames)
