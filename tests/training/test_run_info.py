"""A resumed run says what has changed since its last start."""

import shutil
from pathlib import Path

import pytest
import torch

from i2i.training import run
from tests.worlds import Recorder, tiny_recipe, tiny_world


def resumed(folder: Path, steps: int, *settings: str) -> list[str]:
    recorder = Recorder()
    run.resume(folder, [f"train.steps={steps}", *settings], reporter=recorder)
    return [message for message in recorder.messages if "bit for bit" in message]


@pytest.mark.parametrize("method", ["pix2pix", "cyclegan", "rrdb-psnr"])
def test_a_resume_says_that_data_have_changed(method: str, tmp_path: Path) -> None:
    tiny_world(tmp_path / "world")
    data = tmp_path / "world" / ("trainB" if method == "rrdb-psnr" else "")
    folder = run.train(tiny_recipe(method, data, "train.steps=1"), tmp_path / "run", reporter=Recorder())
    assert resumed(folder, 2) == []
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "world", moved)
    assert resumed(folder, 3, f'data.source=["{moved / data.relative_to(tmp_path / "world")}"]') == []
    image = min((moved / "trainB").iterdir())
    image.write_bytes(image.read_bytes() + b"\0")  # another file by the same name
    assert len(resumed(folder, 4)) == 1
    assert resumed(folder, 5) == [], "said once"


def test_a_resume_says_that_threads_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = tiny_world(tmp_path / "world")
    folder = run.train(tiny_recipe("pix2pix", world, "train.steps=1"), tmp_path / "run", reporter=Recorder())
    before = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: before + 1)
    [sentence] = resumed(folder, 2)
    assert f"threads: {before}, now {before + 1}" in sentence and "data" not in sentence
