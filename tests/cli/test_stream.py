"""`i2i stream` as a user meets it: frames alone on standard output, from any model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import i2i
from tests.cli.test_evaluate import save_model
from tests.runtime.engines.test_onnxruntime import write

PROGRAM = """
import sys, typer
from i2i.cli.stream import stream
app = typer.Typer()
app.command()(stream)
app(standalone_mode=False)
"""


@pytest.mark.parametrize("name", ["x2.onnx", "x2.pth"])
def test_frames_go_through_whatever_runs_the_model(tmp_path: Path, name: str) -> None:
    model = write(tmp_path / name) if name.endswith(".onnx") else save_model(tmp_path / name, scale=2)
    frames = np.random.default_rng(0).integers(0, 256, (3, 6, 10, 3), np.uint8)
    command = [sys.executable, "-c", PROGRAM, model, "--size", "10x6", "--device", "cpu", "--engine", "onnxruntime"]
    done = subprocess.run(command, input=frames.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 4 * frames.nbytes and b"3 frames in" in done.stderr
    if name == "x2.pth":
        results = np.frombuffer(done.stdout, np.uint8).reshape(3, 12, 20, 3)
        np.testing.assert_array_equal(results[1], i2i.load(model)(frames[1]))
