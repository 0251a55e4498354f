"""A signal ends a network that would never end by itself, and leaves nothing half-done."""

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, save_model

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.engines.base import CARD
from tests.waits import HANGS

CARD_OF = Card(product="endless", in_channels=3, out_channels=3, overlap=2)
NEEDS_OPENVINO = pytest.mark.skipif(not find_spec("openvino"), reason="OpenVINO is not installed")
# A process that is started in the background ignores Ctrl-C, and so do its children.
PROGRAM = """
import signal, sys, threading, time
from i2i_runtime import cli, interrupt
from i2i_runtime.folder import command

signal.signal(signal.SIGINT, signal.default_int_handler)
command.PATIENCE = interrupt.GRACE = 0.5

def announce():
    while not interrupt._calls:
        time.sleep(0.01)
    begun = time.process_time()
    while time.process_time() < begun + 0.3:  # spent by the loop, however busy the machine is
        time.sleep(0.01)
    print("begun", flush=True, file=sys.stderr)

threading.Thread(target=announce, daemon=True).start()
cli.main()
"""


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A graph that goes a billion times through a loop."""
    node, value = helper.make_node, helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Identity", ["going"], ["goes"]), node("Cos", ["before"], ["after"])],
        "body",
        [
            value("step", TensorProto.INT64, []),
            value("going", TensorProto.BOOL, []),
            value("before", TensorProto.FLOAT, None),
        ],
        [value("goes", TensorProto.BOOL, []), value("after", TensorProto.FLOAT, None)],
    )
    image, result = (value(name, TensorProto.FLOAT, ["n", 3, "h", "w"]) for name in ("image", "result"))
    times = helper.make_tensor("times", TensorProto.INT64, [], [10**9])
    graph = helper.make_graph(
        [node("Loop", ["times", "", "image"], ["result"], body=body)], "endless", [image], [result], [times]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {CARD: json.dumps(CARD_OF.to_dict())})
    save_model(model, tmp_path / "endless.onnx")
    return tmp_path / "endless.onnx"


def run(*arguments: str | Path, signals: list[int], given: bytes = b"") -> tuple[int, str]:
    """The exit code and the messages of a command that gets signals while the network is at work."""
    environment = os.environ | {"PYTHONPATH": str(Path(images.__file__).parents[2])}
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdin and process.stderr
        process.stdin.write(given)
        process.stdin.flush()
        said = b""
        while b"begun" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        for number in signals:
            process.send_signal(number)
        try:
            out, more = process.communicate(timeout=HANGS)
        finally:
            process.kill()  # one that has not ended would be waited for without end
        return process.returncode, (out + said + more).decode()


def test_a_job_that_is_to_end_gives_its_image_a_while_and_no_more(endless: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(6):
        images.write(tmp_path / "in" / f"{number}.png", np.zeros((8, 8, 3), np.uint8))
    for workers in ("1", "2"):
        words = ["translate", endless, tmp_path / "in", tmp_path / "out", "--engine", "onnxruntime"]
        code, said = run(*words, "--workers", workers, signals=[signal.SIGTERM])
        assert code == 128 + signal.SIGTERM, said
        assert "0.png: ended by a signal" in said and "stopped before the end (on request)" in said
        assert "terminate flag" not in said, "nothing of the engine's own"
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".i2i-manifest.jsonl"]


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        ("onnxruntime", "interrupted"),
        # OpenVINO looks at the request between nodes, and the loop is one.
        pytest.param("openvino", "the network does not end", marks=NEEDS_OPENVINO),
    ],
)
def test_ctrl_c_ends_a_stream_within_a_frame(endless: Path, engine: str, sentence: str) -> None:
    words = ["stream", endless, "--size", "8x8", "--engine", engine]
    code, said = run(*words, signals=[signal.SIGINT], given=bytes(8 * 8 * 3))
    assert code == 130 and sentence in said, said
