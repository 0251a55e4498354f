"""Command `i2i evaluate sr`: table, file, exit codes, messages."""

import csv
from pathlib import Path

import pytest
import torch

from i2i.cli import evaluate
from i2i.networks.generators.srvgg import SRVGGNet
from i2i_runtime import images
from tests.evaluate.test_upscaling import picture
from tests.published import published_srvgg


def run(*words: str | Path) -> int:
    """The exit code of `i2i evaluate WORDS`."""
    return evaluate.app(args=[str(word) for word in words], standalone_mode=False) or 0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number in range(2):
        (tmp_path / "data/inside").mkdir(parents=True, exist_ok=True)
        images.write(tmp_path / f"data/inside/{number}.png", picture(seed=number))
    return tmp_path / "data"


def save_model(file: Path, scale: int) -> Path:
    """Compact network whose last layer is zero, so that it upscales by nearest neighbour."""
    network, state = published_srvgg(convolutions=1, scale=scale)
    assert isinstance(network, SRVGGNet)
    last = max(key for key in state if key.endswith(".weight") and state[key].ndim == 4)
    state |= {last: torch.zeros_like(state[last]), last.replace("weight", "bias"): torch.zeros(len(state[last]))}
    torch.save({"params": state}, file)
    return file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path / "x2.pth", scale=2)


def test_the_table_has_aligned_rows_for_every_image_and_the_means(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sr", model, "--data", data) == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines[next(row for row, line in enumerate(lines) if line.startswith("image")) :]
    assert table[0].split() == ["image", "model", "PSNR-Y", "SSIM-Y", "PSNR-RGB", "SSIM-RGB"]
    assert [line.split()[0] for line in table[1:]] == ["inside/0.png"] * 2 + ["inside/1.png"] * 2 + ["mean"] * 2
    assert [line.split()[1] for line in table[1:]] == ["bicubic", str(model)] * 3
    assert len({len(line) for line in table}) == 1, "columns are aligned"
    assert [len(number.partition(".")[2]) for number in table[-1].split()[2:]] == [2, 4, 2, 4], "decimals"
    bicubic, nearest = ([float(number) for number in line.split()[2:]] for line in table[-2:])
    assert all(best > worse for best, worse in zip(bicubic, nearest, strict=True))


def test_the_csv_file_has_full_precision(data: Path, model: Path, tmp_path: Path) -> None:
    assert run("sr", model, "--data", data, "--channel", "y", "--out", tmp_path / "results.csv") == 0
    with (tmp_path / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["image", "model", "PSNR-Y", "SSIM-Y"] and len(rows) == 4
    assert rows[1]["model"] == str(model) and 10 < float(rows[1]["PSNR-Y"]) < 60 and len(rows[1]["PSNR-Y"]) > 8


def test_bicubic_alone_needs_a_scale(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sr", "--data", data, "--scale", "3", "--border", "0") == 0
    out = capsys.readouterr().out
    assert "x3, " in out and "0 pixels of border" in out and "mean" in out
    with pytest.raises(ValueError, match="--scale"):
        run("sr", "--data", data)


def test_an_unreadable_image_is_named_and_the_exit_code_is_3(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "bad.png").write_bytes(b"no image")
    assert run("sr", model, "--data", data) == 3
    out = capsys.readouterr().out
    assert "1 failed:" in out and f"{data / 'bad.png'}: not an image" in out and "inside/1.png" in out


def test_nothing_measured_has_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    assert run("sr", "--data", tmp_path, "--scale", "2") == 3
    assert "nothing was measured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scale", "4"], "x2.pth enlarges 2 times, not 4"),
        (["x3.pth"], "x3.pth enlarges 3 times, not 2"),
        (["--out", "results.txt"], "name ends in .csv"),
        (["--out", "x3.pth/results.csv"], "cannot be written"),
        (["--low", "gone"], "gone: no such folder"),
        (["--lpips"], "download https://"),
        (["--lpips-weights", "gone.pth"], "gone.pth: no such file"),
        (["gone"], "gone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_are_one_sentence_before_anything_is_measured(
    words: list[str],
    said: str,
    data: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(model.parent)
    monkeypatch.setenv("TORCH_HOME", str(model.parent))
    save_model(Path("x3.pth"), scale=3)
    with pytest.raises(ValueError, match=said) as error:
        run("sr", model.name, "--data", data, *words)
    assert "\n" not in str(error.value) and "PSNR" not in capsys.readouterr().out


def test_lpips_is_one_more_column(shared: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = shared / "weights/squeezenet1_1.pth"
    assert run("sr", "--data", data, "--scale", "2", "--channel", "y", "--lpips-weights", weights) == 0
    *_, header, _, _, mean = capsys.readouterr().out.splitlines()
    assert header.split()[2:] == ["PSNR-Y", "SSIM-Y", "LPIPS-squeeze"] and 0 < float(mean.split()[-1]) < 1
