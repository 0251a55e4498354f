"""Whatever runs a file, it is the same network; which one it is, is chosen where there is a choice, and said."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch

from i2i.checkpoints.card import card_of
from i2i.export import export
from i2i.inference import Translator, share_cores
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.unet import UnetGenerator
from i2i_runtime import engines, images
from i2i_runtime.engines import choose, describe, expand_engine, open_for_folder, open_model
from i2i_runtime.engines.base import ExportedModel
from i2i_runtime.engines.onnxruntime import Session
from i2i_runtime.engines.openvino import OpenVino
from tests.runtime.engines.test_onnxruntime import BLUR, write
from tests.runtime.test_cli import run

rng = np.random.default_rng(0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "blur.onnx")


@pytest.fixture
def openvino() -> None:
    pytest.importorskip("openvino")


@pytest.mark.usefixtures("openvino")
@pytest.mark.parametrize("card", [BLUR, replace(BLUR, io="uint8"), replace(BLUR, size=(2, 12, 16))], ids=str)
def test_openvino_gives_what_onnx_runtime_gives_also_when_sizes_come_again(tmp_path: Path, card) -> None:
    file = write(tmp_path / "blur.onnx", card)
    one, other = open_model(file, engine="onnxruntime"), open_model(file, engine="openvino")
    assert isinstance(other, OpenVino) and not isinstance(one, OpenVino) and other.card == one.card == card
    tolerance = 1.01 / 255 if card.io == "uint8" else 1e-6  # a value in the middle may be rounded either way
    sizes = [(12, 16)] * 5 + [(9, 7)] * 2 + [(12, 16)] * 2
    for height, width in sizes:
        batch = rng.random((2, 3, height, width), np.float32)
        result = other.network(batch)
        np.testing.assert_allclose(result, one.network(batch), atol=tolerance)
        kept = result.copy()
        other.network(1 - batch)
        np.testing.assert_array_equal(result, kept, err_msg="a result is not overwritten by the next one")


@pytest.mark.usefixtures("openvino")
def test_several_threads_may_share_openvino(file: Path) -> None:
    session = open_model(file, engine="openvino", threads=1)
    batches = [rng.random((1, 3, 8 + index % 2, 8), np.float32) for index in range(40)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(session.network, batches))
    for batch, result in zip(batches, results, strict=True):
        np.testing.assert_allclose(result, open_model(file, engine="onnxruntime").network(batch), atol=1e-6)


@pytest.mark.usefixtures("openvino")
def test_calls_at_once_are_as_many_as_the_cores_have_room_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for threads, streams in {0: 1, 1: 2, 2: 1}.items():
        network = OpenVino(file, threads=threads)._compiled
        assert network.get_property("NUM_STREAMS") == streams
        assert not threads or network.get_property("INFERENCE_NUM_THREADS") == streams * threads


@pytest.mark.usefixtures("openvino")
def test_openvino_computes_in_float32_whatever_the_processor_prefers(file: Path) -> None:
    assert OpenVino(file)._compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


SIGNALLED = """
import faulthandler, os, signal, sys
from i2i_runtime.engines import open_model

faulthandler.enable()  # gives the process a stack for signals, as pytest does
first = open_model(sys.argv[1], engine="openvino")
second = open_model(sys.argv[1], engine="openvino")
del first
del second
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


@pytest.mark.usefixtures("openvino")
@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_a_signal_is_handled_after_sessions_of_openvino_are_gone(file: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(engines.__file__).parents[2])}
    command = [sys.executable, "-c", SIGNALLED, str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


AT_ONCE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
from i2i_runtime.engines import open_model

session, together = open_model(sys.argv[1], engine="openvino", threads=1), Barrier(4)

def run(batch):
    together.wait()
    return session.network(batch)

with ThreadPoolExecutor(4) as pool:
    list(pool.map(run, [np.zeros((1, 3, 8, 8), np.float32)] * 4))
"""


@pytest.mark.usefixtures("openvino")
def test_first_calls_at_once_do_not_wait_for_each_other_for_ever(file: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(engines.__file__).parents[2])}
    command = [sys.executable, "-c", AT_ONCE, str(file)]
    started = [subprocess.Popen(command, env=environment) for _ in range(5)]  # one in five hung
    try:
        assert [process.wait(timeout=60) for process in started] == [0] * 5
    finally:
        for process in started:
            process.kill()


@pytest.mark.usefixtures("openvino")
def test_an_exported_network_gives_in_openvino_what_it_gives_in_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = UnetGenerator(features=4, depth=3)
    card, _ = export(generator, card_of(generator, {"product": "generator"}), tmp_path / "unet.onnx")
    image = rng.random((21, 34, 3), np.float32)
    expected = Translator(generator, card)(image)
    assert np.ptp(expected) > 0.01
    result = open_model(tmp_path / "unet.onnx", engine="openvino")(image)
    np.testing.assert_allclose(result, expected, atol=1e-4 * np.ptp(expected))


@pytest.mark.usefixtures("openvino")
def test_memory_that_runs_out_in_openvino_asks_for_smaller_tiles(file: Path) -> None:
    class Request:
        def infer(self, *_: object, **__: object) -> None:
            raise RuntimeError(
                "Check 'ptr' failed at cpu_memory.cpp:257:\nFailed to allocate 2415919104 bytes of memory"
            )

    session = OpenVino(file)
    session._requests.append(Request())
    with pytest.raises(MemoryError):
        session.network(np.zeros((1, 3, 8, 8), np.float32))


@pytest.mark.usefixtures("openvino")
def test_what_openvino_cannot_run_is_one_sentence(tmp_path: Path, file: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    for name, said in {
        "bad.onnx": "not a file that OpenVINO can run",
        "gone.onnx": "no such file",
        "bare.onnx": "no card in it; a file that has one is made by: i2i export",
    }.items():
        write(tmp_path / "bare.onnx", None)
        with pytest.raises(ValueError, match=f"{name}: {said}") as error:
            open_model(tmp_path / name, engine="openvino")
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=f"{tmp_path / 'bad.onnx'}: not a file"):
        open_model(tmp_path / "bad.onnx")


def test_without_openvino_onnx_runtime_is_chosen_and_asking_for_it_is_one_sentence(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
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
    asked = []

    def with_gpu(path: Path, *, providers: list[str], threads: int) -> str:
        asked.append(providers)
        return "on a GPU"

    monkeypatch.setattr(choose, "Session", with_gpu)
    assert open_model(file) == open_model(file, providers=["tensorrt", "cpu"]) == "on a GPU"
    assert asked == [["cuda"], ["tensorrt"]]
    assert describe(open_model(file, providers=["cpu", "cuda"])) == "openvino cpu", "in the order given"


@pytest.mark.usefixtures("openvino")
def test_a_file_that_openvino_cannot_run_is_left_to_onnx_runtime(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(path: Path, *, threads: int) -> None:
        raise ValueError("an operator is not known")

    monkeypatch.setattr(choose, "OpenVino", lacks)
    assert open_model(file).provider in ("cpu", "cuda")
    with pytest.raises(ValueError, match="an operator is not known"):
        open_model(file, engine="openvino")


def test_a_folder_gets_two_workers_on_half_of_the_cores_unless_told(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    asked, opener = [], engines.open_for_folder

    def spy(path: Path, **how) -> tuple[ExportedModel, int]:
        asked.append(how["workers"])
        return opener(path, **how)

    monkeypatch.setattr(engines, "open_for_folder", spy)
    for source in ("in", "in/a.png"):
        run("translate", file, tmp_path / source, tmp_path / "out", "--engine", "onnxruntime", capsys=capsys)
    assert asked == [None, 1]


class Meeting(ImageGenerator):
    """From the second call on, each waits for another."""

    in_channels = out_channels = 3

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.both = 0, Barrier(2, timeout=20)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls > 1:
            self.both.wait()
        return image


class Noise(ImageGenerator):
    in_channels = out_channels = 3

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + 0.1 * torch.randn(image.shape)


def test_torch_translates_images_beside_each_other() -> None:
    translator, image = Translator(Meeting(), BLUR), rng.random((1, 3, 8, 8), np.float32)
    translator.network(image)
    with ThreadPoolExecutor(2) as pool:
        for result in pool.map(translator.network, [image, image]):
            np.testing.assert_allclose(result, image, atol=1e-6)


def test_a_network_that_draws_gives_an_image_the_same_noise_in_any_thread() -> None:
    translator, image = Translator(Noise(), BLUR), rng.random((1, 3, 8, 8), np.float32)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(translator.network, [image] * 12))
    assert all((result == results[0]).all() for result in results) and (results[0] != image).any()


def test_torch_gets_two_workers_on_half_of_the_cores_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 6)
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    still, drawing = Translator(Noise(), BLUR), Translator(Noise(), replace(BLUR, test_time="published"))
    assert (share_cores(still), given) == (2, [3])
    assert (share_cores(drawing), share_cores(still, 1), given) == (1, 1, [3])
    assert (share_cores(drawing, 3), given) == (3, [3, 2])
