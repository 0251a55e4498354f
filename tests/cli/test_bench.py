"""`i2i bench` as a user meets it: every engine that runs a model has its row, torch beside the others."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from i2i.cli import bench as module
from tests.cli.test_evaluate import save_model
from tests.runtime.engines.test_onnxruntime import write

app = typer.Typer()
app.command("bench")(module.bench)


def call(*words: str | Path) -> None:
    app(args=[str(word) for word in words], standalone_mode=False)


def test_torch_stands_beside_every_engine_that_is_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx, torch = write(tmp_path / "x2.onnx"), save_model(tmp_path / "x2.pth", scale=2)
    call(onnx, torch, "--size", "24x16", "--batch", "2", "--seconds", "0.01", "--device", "cpu", "--providers", "cpu")
    printed = capsys.readouterr()
    rows = {tuple(line.split()[:3]) for line in printed.out.splitlines()[1:]}
    expected = {(str(onnx), "onnxruntime", "cpu"), (str(torch), "torch", "cpu")}
    if find_spec("openvino"):
        expected.add((str(onnx), "openvino", "cpu"))
    assert rows == expected and printed.out.startswith("model") and "networks alone" in printed.err


def test_one_engine_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(write(tmp_path / "x2.onnx"), "--size", "8", "--seconds", "0.01", "--engine", "onnxruntime")
    (row,) = capsys.readouterr().out.splitlines()[1:]
    assert "onnxruntime" in row


def test_what_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    for words, said in {
        ("gone.onnx",): "gone.onnx: no such file",
        ("gone.onnx", "--size", "0"): "--size 0: not a size",
    }.items():
        with pytest.raises(ValueError, match=said) as error:
            call(*words)
        assert "\n" not in str(error.value)
