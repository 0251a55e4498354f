"""The program `i2i-runtime` as a user meets it: exit codes, one sentence for an error, nothing lost."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime import cli, images
from i2i_runtime.engines.onnxruntime import Session
from tests.runtime.engines.test_onnxruntime import write
from tests.waits import HANGS


def run(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of `i2i-runtime WORDS`, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["i2i-runtime", *map(str, words)])
        patch.setattr(cli, "conflicts", list)
        with pytest.raises(SystemExit) as end:
            cli.main()
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out, printed.err


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "blur.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a.png", "deep/b.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        images.write(tmp_path / "in" / name, rng.integers(0, 256, (9, 14, 3), np.uint8))
    return tmp_path / "in"


def test_a_folder_is_translated_as_the_session_does_it_and_only_once(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run("translate", model, folder, tmp_path / "out", "--engine", "onnxruntime", capsys=capsys)
    assert code == 0 and "blur on onnxruntime cpu" in out and "2 translated" in out and "2 of 2 files" in err
    session = Session(model, providers=["cpu"])
    for name in ("a.png", "deep/b.png"):
        expected = session(images.read(folder / name))
        np.testing.assert_array_equal(images.read(tmp_path / "out" / name), expected)
    code, out, _ = run("translate", model, folder, tmp_path / "out", capsys=capsys)
    assert code == 0 and "0 translated, 2 were there already (--overwrite makes them again)" in out
    assert "2 translated" in run("translate", model, folder, tmp_path / "out", "--overwrite", capsys=capsys)[1]


def test_the_options_of_translate_reach_the_folder(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("translate", model, folder / "a.png", tmp_path / "out", "--outscale", "1.5", "--threads", "1")
    assert run(*words, capsys=capsys)[0] == 0
    assert images.read(tmp_path / "out" / "a.png").shape == (14, 21, 3)
    code, _, err = run(*words, "--tile", "1", capsys=capsys)
    assert code == 1 and err.startswith("error: tile: 1 is refused; allowed: 0 (the whole image)")
    (folder / "a.txt").write_text("a label")
    words = ("translate", model, folder, tmp_path / "more", "--carry", "*.txt", "--format", "jpg", "--workers", "2")
    code, out, _ = run(*words, "--batch", "2", "--shard", "0/1", "--mix", "--link", capsys=capsys)
    assert code == 0 and "2 translated, 1 carried" in out
    assert (tmp_path / "more/a.txt").samefile(folder / "a.txt") and (tmp_path / "more/deep/b.jpg").is_file()


def test_a_bad_file_is_named_and_the_exit_code_is_3(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.png").write_bytes(b"nothing")
    code, out, _ = run("translate", model, folder, tmp_path / "out", capsys=capsys)
    assert code == 3 and "2 translated" in out and "1 failed:" in out and f"{folder / 'bad.png'}: not an image" in out


def test_the_program_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, errors = run(capsys=capsys)
    assert code == 0 and "translate" in out and not errors


def test_info_prints_the_card(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("info", model, "--engine", "onnxruntime", capsys=capsys)
    facts = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split()) > 1)
    assert code == 0 and facts["product"] == "blur" and facts["scale"] == "2" and facts["overlap"] == "2"
    assert "runs on        onnxruntime cpu" in out.splitlines()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_info_prints_inputs_and_outputs(engine: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(engine)
    _, out, _ = run("info", model, "--engine", engine, capsys=capsys)
    ends = [line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith(("input ", "output "))]
    assert len(ends) == 2 and "image" in ends[0].partition(":")[0] and all(": float32 (" in each for each in ends)
    assert all(each.endswith(", NCHW from 0 to 1") for each in ends)


def test_bench_prints_a_row_for_each_model(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("bench", model, model, "--size", "24x16", "--seconds", "0.01", "--engine", "onnxruntime")
    code, out, err = run(*words, capsys=capsys)
    head, *rows = out.splitlines()
    assert code == 0 and "with files ms" in head and len(rows) == 2 and "from file to file" in err
    assert all(row.startswith(f"{model}  onnxruntime cpu") for row in rows)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["paint"], "argument COMMAND: invalid choice: 'paint'"),
        (["translate", "blur.onnx"], "the following arguments are required: source, target (see i2i-runtime translate"),
        (["translate", "blur.onnx", "in", "out", "--tile", "x"], "argument --tile: invalid int value: 'x'"),
        (
            ["translate", "blur.onnx", "in", "out", "--over"],
            "unrecognized arguments: --over (see i2i-runtime translate",
        ),
        (["translate", "blur.onnx", "gone", "out"], "gone: no such file or folder"),
        (["translate", "gone.onnx", "in", "out"], "gone.onnx: no such file"),
        (["info", "in"], "in: no such file"),
        (
            ["info", "s3://bucket/x.onnx"],
            "s3:/bucket/x.onnx: a model is a file on this machine, not a URL",
        ),
        (["info", "blur.onnx", "--threads", "-3"], "threads: -3 is refused; allowed: 0, all cores, to 1024"),
        (["info", "blur.onnx", "--engine", "onnxruntime", "--threads", "9999"], "threads: 9999 is refused"),
        (["translate", "blur.onnx", "in.mp4", "out.mp4"], "in.mp4: films are not translated"),
        (["translate", "blur.onnx", "in", "out.mp4"], "out.mp4: films are not translated"),
        (["info", "blur.onnx", "--providers", "gpu"], "provider 'gpu' is not known; choose from: auto, cpu"),
        (["info", "blur.onnx", "--providers", "gpu,cpu"], "provider 'gpu' is not known; choose from: auto, cpu"),
        (
            ["info", "blur.onnx", "--engine", "torch"],
            "engine 'torch' is not known; choose from: auto, onnxruntime, openvino",
        ),
        (["info", "blur.onnx", "--engine", "openvino", "--providers", "cuda"], "openvino runs on the CPU, not on cuda"),
        (["stream", "blur.onnx", "--size", "big"], "--size big: not a size in pixels"),
        (["bench", "blur.onnx", "--batch", "0"], "batch 0 for 10 seconds; allowed: a batch from 1"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_one_sentence(
    words: list[str],
    said: str,
    model: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(model.parent)
    code, _, err = run(*words, capsys=capsys)
    lines = [line for line in err.splitlines() if line not in ("networks alone, about 5 s",)]
    assert code == 1 and lines[-1].startswith(f"error: {said}") and len(lines) == 1


def test_debug_shows_where_an_error_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["i2i-runtime", "--debug", "info", "gone.onnx"])
    with pytest.raises(ValueError, match=r"gone\.onnx: no such file"):
        cli.main()


def test_what_is_installed_twice_is_said_once_per_run(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["i2i-runtime", "info", str(model)])
    monkeypatch.setattr(cli, "conflicts", lambda: ["two of one kind"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0 and capsys.readouterr().err == "warning: two of one kind\n"


SLOW = """
import sys, time
from i2i_runtime import cli
from i2i_runtime.engines.onnxruntime import Session

network = Session.network
Session.network = lambda self, batch: (time.sleep(0.2), network(self, batch))[1]
cli.main()
"""


def test_ctrl_c_leaves_whole_files_and_the_same_command_goes_on(model: Path, folder: Path, tmp_path: Path) -> None:
    for index in range(30):
        images.write(folder / f"{index}.png", np.zeros((8, 8, 3), np.uint8))
    words = ["translate", str(model), str(folder), str(tmp_path / "out")]
    command = [sys.executable, "-c", SLOW, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + HANGS
        while not list((tmp_path / "out").glob("*.png")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=HANGS)
    assert process.returncode == 130 and "the same command goes on" in out and "Traceback" not in out
    made = list((tmp_path / "out").rglob("*.png"))
    assert 0 < len(made) < 32
    for path in made:
        assert not path.name.startswith(".") and images.read(path).size
