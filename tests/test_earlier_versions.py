"""Runs, checkpoints and exported files of version 0.1 still load, go on, and give the same pictures."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import i2i
from i2i.data.world import make_world
from i2i.latent.sampler import load
from i2i_runtime import images
from i2i_runtime.engines import open_model

MADE = Path(__file__).parent / "fixtures" / "v0_1"


def differences(picture: np.ndarray, name: str) -> int:
    """Largest difference in grey levels to the picture that version 0.1 made."""
    return int(np.abs(picture.astype(int) - images.read(MADE / name).astype(int)).max())


@pytest.mark.parametrize("model", ["cyclegan", "cyclegan/latest", "cyclegan/checkpoints/00000004/a_to_b.safetensors"])
def test_a_run_of_version_0_1_translates_as_it_did(model: str) -> None:
    picture = i2i.load(MADE / model, device="cpu")(images.read(MADE / "street.png"))
    assert differences(picture, "torch.png") <= 1


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_exported_by_version_0_1_translates_as_it_did(engine: str) -> None:
    pytest.importorskip(engine)
    picture = open_model(MADE / "a_to_b.onnx", engine=engine)(images.read(MADE / "street.png"))
    assert differences(picture, "onnx.png") <= 1


def test_a_generator_of_images_from_noise_makes_what_it_made() -> None:
    recorded = np.load(MADE / "noise.npz")
    generator = load(MADE / "dcgan", device="cpu").generator
    made = generator(torch.from_numpy(recorded["z"])).numpy() / 2 + 0.5  # [-1, 1] to [0, 1]
    np.testing.assert_allclose(made, recorded["images"], atol=1e-5)
    session = onnxruntime.InferenceSession(MADE / "noise.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"latent": recorded["z"]})[0], recorded["images"], atol=1e-5)


@pytest.mark.parametrize("name", ["cyclegan", "dcgan"])
def test_training_of_version_0_1_goes_on(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(tmp_path / "world", count=6, size=32, seed=0)
    shutil.copytree(MADE / name, tmp_path / name, symlinks=True)
    monkeypatch.chdir(tmp_path)
    run = i2i.resume(tmp_path / name / "latest", ["train.steps=6"], device="cpu")
    assert (run / "latest").resolve().name == "00000006"
