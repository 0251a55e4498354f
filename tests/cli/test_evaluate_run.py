"""Commands `i2i evaluate RUN` and `i2i evaluate folders`: tables, files, exit codes, messages."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from i2i.download import Unreachable
from i2i.training import run as training
from i2i_runtime import images
from tests.cli.test_evaluate import run
from tests.evaluate.test_upscaling import picture
from tests.worlds import Recorder, tiny_recipe, tiny_world


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("I2I_FEATURES", str(tmp_path / "features"))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name, noise in (("fake", 9.0), ("real", 0.0)):
        (tmp_path / name).mkdir()
        for seed in range(4):
            image = picture(40, 48, seed=seed) + noise * np.random.default_rng(seed).normal(size=(40, 48, 3))
            images.write(tmp_path / name / f"{seed}.png", image.clip(0, 255).astype(np.uint8))
    return tmp_path / "fake", tmp_path / "real"


def test_folders_give_an_aligned_table_and_a_json_file(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("folders", *folders, "--metrics", "psnr, SSIM,diversity", "--json", tmp_path / "out.json") == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if line.endswith(" is better")]
    assert [line.split()[0] for line in table] == ["PSNR", "SSIM", "diversity(pixels)"]
    assert len({line.index("±") for line in table[:2]}) == len({line.index("higher") for line in table}) == 1
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["metrics"].keys() == {"PSNR", "SSIM", "diversity(pixels)"} and len(written["images"]) == 4
    assert written["generated"] == str(folders[0]) and written["data"] == str(folders[1])


def test_one_weights_file_serves_kid_and_lpips(
    shared: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    weights = shared / "weights/squeezenet1_1.pth"
    options = ("--features", "squeezenet1_1", "--weights", weights, "--lpips-weights", weights)
    assert run("folders", *folders, "--metrics", "kid,lpips,diversity", *options) == 0
    out = capsys.readouterr().out
    assert "KID(squeezenet1_1" in out and "\nLPIPS-squeeze " in out and "diversity(LPIPS-squeeze)" in out


def test_a_run_is_measured_with_and_without_the_command_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tiny_world(tmp_path / "world", count=12)
    folder = training.train(tiny_recipe("pix2pix", world, "train.steps=1"), tmp_path / "run", reporter=Recorder())
    shown = []
    for words in ((folder, "--metrics", "psnr"), ("--metrics", "psnr", folder), ("RUN", folder, "--metrics", "psnr")):
        assert run(*words) == 0
        out = capsys.readouterr().out
        assert f"{folder}: source_to_target of 00000001, 2 held-out pairs" in out
        shown.append([line for line in out.splitlines() if line.startswith("PSNR")])
    assert shown[0] and shown[0] == shown[1] == shown[2]
    monkeypatch.chdir(tmp_path)
    assert run("run", "--metrics", "psnr") == 0, "a folder may be called run"
    assert json.loads((folder / "evaluation.json").read_text())["metrics"]["PSNR"]["value"] > 5


def test_a_bad_image_makes_the_exit_code_3(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (folders[0] / "2.png").write_bytes(b"no image")
    assert run("folders", *folders, "--metrics", "l1") == 3
    assert f"1 failed:\n  {folders[0] / '2.png'}: not an image" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        (["folders", ".", ".", "--metrics", "kod"], "unknown metric 'kod'; did you mean 'kid'"),
        (["folders", ".", ".", "--json", "out.txt"], "--json out.txt: allowed: a file whose name ends in .json"),
        (["folders", ".", ".", "--json", f"{__file__}/a.json"], "a.json: cannot be written"),
        (["folders", ".", ".", "--labels", "."], "label consistency needs --segmenter FILE"),
        (["folders", ".", ".", "--metrics", "kid"], "Inception-v3 of FID can't be downloaded"),
    ],
)
def test_wrong_options_are_sentences(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise Unreachable("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("i2i.pretrained.download", unreachable)
    with pytest.raises(ValueError) as raised:
        run(*words)
    assert sentence in str(raised.value)


@pytest.mark.parametrize("words", [["evaluate"], ["evaluate", "RUN"], ["evaluate", "folders"], ["evaluate", "sr"]])
def test_help_imports_no_torch(words: list[str]) -> None:
    code = (
        f"import sys, i2i.cli; sys.argv = ['i2i', *{words}, '--help']\n"
        "try: i2i.cli.main()\nexcept SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'cv2', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "Usage: i2i evaluate" in done.stdout
