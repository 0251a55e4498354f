"""The engine is the fastest one that is installed, or the one that is asked for; workers share the cores of a CPU."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime import engines, images
from i2i_runtime.engines import ExportedModel, choose, describe, expand_engine, open_for_folder, open_model
from i2i_runtime.engines.onnxruntime import Session
from tests.runtime.engines.test_onnxruntime import write
from tests.runtime.test_cli import run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "blur.onnx")


@pytest.fixture
def openvino() -> None:
    pytest.importorskip("openvino")


def test_without_openvino_onnx_runtime_is_chosen_and_openvino_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(choose, "find_spec", lambda name: None if name == "openvino" else object())
    assert describe(open_model(file, providers=["cpu"])) == "onnxruntime cpu"
    assert expand_engine("all", ["auto"]) == ["onnxruntime"]
    with pytest.raises(ValueError, match="--engine openvino needs OpenVINO: pip install openvino"):
        open_model(file, engine="openvino")


@pytest.mark.usefixtures("openvino")
def test_openvino_is_chosen_on_a_cpu_and_never_instead_of_a_gpu(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert describe(open_model(file, providers=["cpu"])) == "openvino cpu"
    assert expand_engine("all", ["cpu"]) == ["onnxruntime", "openvino"] and expand_engine("all", ["cuda"]) == [
        "onnxruntime"
    ]
    tried = []

    def with_gpu(path: Path, *, providers: list[str], threads: int) -> str:
        tried.append(providers)
        return "on a GPU"

    monkeypatch.setattr(choose, "Session", with_gpu)
    assert open_model(file) == open_model(file, providers=["tensorrt", "cpu"]) == "on a GPU"
    assert tried == [["cuda"], ["tensorrt"]]
    assert describe(open_model(file, providers=["cpu", "cuda"])) == "openvino cpu", "in the order given"


@pytest.mark.usefixtures("openvino")
def test_a_file_that_openvino_cannot_run_is_left_to_onnx_runtime(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(path: Path, *, threads: int) -> None:
        raise ValueError("an operator is not known")

    monkeypatch.setattr(choose, "OpenVino", lacks)
    assert open_model(file).provider in ("cpu", "cuda")
    with pytest.raises(ValueError, match="an operator is not known"):
        open_model(file, engine="openvino")


def test_a_folder_gets_two_workers_on_half_of_the_cores_by_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    how = {"engine": "onnxruntime", "providers": ["cpu"]}

    def threads(session: Session) -> int:
        return session._session.get_session_options().intra_op_num_threads

    session, workers = open_for_folder(file, **how)
    assert (threads(session), workers) == (3, 2)
    session, workers = open_for_folder(file, **how, workers=1)
    assert (threads(session), workers) == (0, 1)
    session, workers = open_for_folder(file, **how, threads=1)
    assert (threads(session), workers) == (1, 1)
    session, workers = open_for_folder(file, **how, threads=2, workers=5)
    assert (threads(session), workers) == (2, 5)


def test_a_file_is_opened_once_and_a_gpu_has_one_worker(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def open_on_gpu(path: Path, **how) -> Session:
        opened.append(path)
        session = Session(path, providers=["cpu"])
        session.device = "cuda"
        return session

    monkeypatch.setattr(choose, "open_model", open_on_gpu)
    assert open_for_folder(file)[1] == 1 and open_for_folder(file, workers=3)[1] == 3
    assert opened == [file, file]


def test_one_image_gets_all_cores(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    images.write(tmp_path / "in" / "a.png", np.zeros((9, 9, 3), np.uint8))
    workers, opener = [], engines.open_for_folder

    def spy(path: Path, **how) -> tuple[ExportedModel, int]:
        workers.append(how["workers"])
        return opener(path, **how)

    monkeypatch.setattr(engines, "open_for_folder", spy)
    for source in ("in", "in/a.png"):
        run("translate", file, tmp_path / source, tmp_path / "out", "--engine", "onnxruntime", capsys=capsys)
    assert workers == [None, 1]
