"""OpenVINO gives what ONNX Runtime gives, in float32, from any thread, and refuses in one sentence."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.checkpoints.card import card_of
from i2i.export import export
from i2i.inference import Translator
from i2i.networks.generators.unet import UnetGenerator
from i2i_runtime import engines
from i2i_runtime.engines import open_model
from i2i_runtime.engines.openvino import OpenVino
from tests.runtime.engines.test_onnxruntime import BLUR, write
from tests.waits import HANGS

pytest.importorskip("openvino")

rng = np.random.default_rng(0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "blur.onnx")


@pytest.mark.parametrize("card", [BLUR, replace(BLUR, io="uint8"), replace(BLUR, size=(2, 12, 16))], ids=str)
def test_the_result_is_that_of_onnx_runtime_whatever_the_order_of_sizes(tmp_path: Path, card) -> None:
    file = write(tmp_path / "blur.onnx", card)
    reference, model = open_model(file, engine="onnxruntime"), open_model(file, engine="openvino")
    assert isinstance(model, OpenVino) and not isinstance(reference, OpenVino) and model.card == reference.card == card
    tolerance = 1.01 / 255 if card.io == "uint8" else 1e-6  # a value in the middle may be rounded either way
    sizes = [(12, 16)] * 5 + [(9, 7)] * 2 + [(12, 16)] * 2
    for height, width in sizes:
        batch = rng.random((2, 3, height, width), np.float32)
        result = model.network(batch)
        np.testing.assert_allclose(result, reference.network(batch), atol=tolerance)
        kept = result.copy()
        model.network(1 - batch)
        np.testing.assert_array_equal(result, kept, err_msg="a result is not overwritten by the next one")


def test_several_threads_share_a_model(file: Path) -> None:
    session = open_model(file, engine="openvino", threads=1)
    batches = [rng.random((1, 3, 8 + index % 2, 8), np.float32) for index in range(40)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(session.network, batches))
    for batch, result in zip(batches, results, strict=True):
        np.testing.assert_allclose(result, open_model(file, engine="onnxruntime").network(batch), atol=1e-6)


def test_streams_times_threads_are_the_cores(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for threads, streams in {0: 1, 1: 2, 2: 1}.items():
        network = OpenVino(file, threads=threads)._compiled
        assert network.get_property("NUM_STREAMS") == streams
        assert not threads or network.get_property("INFERENCE_NUM_THREADS") == streams * threads


def test_precision_is_float32_whatever_the_processor_prefers(file: Path) -> None:
    assert OpenVino(file)._compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


MANY_SIZES = """
import sys
import numpy as np
from i2i_runtime.engines.openvino import OpenVino

def resident():  # in MB
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

model = OpenVino(sys.argv[1])
for index in range(550):
    model.network(np.zeros((1, 3, 8 + index // 36, 8 + index % 36), np.float32))
    if index == 400:
        before = resident()
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
def test_memory_does_not_grow_with_every_size(file: Path) -> None:
    """150 further sizes took 23 MB where what was prepared for each was kept."""
    done = subprocess.run([sys.executable, "-c", MANY_SIZES, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 12


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


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_a_signal_is_handled_after_models_are_deleted(file: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(engines.__file__).parents[2])}
    command = [sys.executable, "-c", SIGNALLED, str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANGS)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


AT_ONCE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
from i2i_runtime.engines import open_model

session, barrier = open_model(sys.argv[1], engine="openvino", threads=1), Barrier(4)

def run(batch):
    barrier.wait()
    return session.network(batch)

with ThreadPoolExecutor(4) as pool:
    list(pool.map(run, [np.zeros((1, 3, 8, 8), np.float32)] * 4))
"""


def test_first_calls_from_several_threads_do_not_deadlock(file: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(engines.__file__).parents[2])}
    command = [sys.executable, "-c", AT_ONCE, str(file)]
    started = [subprocess.Popen(command, env=environment) for _ in range(5)]  # one in five hung
    try:
        assert [process.wait(timeout=HANGS) for process in started] == [0] * 5
    finally:
        for process in started:
            process.kill()


def test_an_exported_network_gives_what_it_gives_in_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = UnetGenerator(features=4, depth=3)
    card, _ = export(generator, card_of(generator, {"product": "generator"}), tmp_path / "unet.onnx")
    image = rng.random((21, 34, 3), np.float32)
    expected = Translator(generator, card)(image)
    assert np.ptp(expected) > 0.01
    result = open_model(tmp_path / "unet.onnx", engine="openvino")(image)
    np.testing.assert_allclose(result, expected, atol=1e-4 * np.ptp(expected))


def test_memory_that_runs_out_is_a_memory_error(file: Path) -> None:
    class Request:
        def cancel(self) -> None: ...

        def infer(self, *_: object, **__: object) -> None:
            raise RuntimeError(
                "Check 'ptr' failed at cpu_memory.cpp:257:\nFailed to allocate 2415919104 bytes of memory"
            )

    session = OpenVino(file)
    session._requests.append(Request())
    with pytest.raises(MemoryError):
        session.network(np.zeros((1, 3, 8, 8), np.float32))


def test_a_file_that_cannot_be_run_is_one_sentence(tmp_path: Path, file: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    for name, sentence in {
        "bad.onnx": "not a file that OpenVINO can run",
        "gone.onnx": "no such file",
        "bare.onnx": "no card in it; a file that has one is made by: i2i export",
    }.items():
        write(tmp_path / "bare.onnx", None)
        with pytest.raises(ValueError, match=f"{name}: {sentence}") as error:
            open_model(tmp_path / name, engine="openvino")
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=f"{tmp_path / 'bad.onnx'}: not a file"):
        open_model(tmp_path / "bad.onnx")
