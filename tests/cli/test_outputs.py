"""What a command writes never replaces a file that it has not written itself, unless it is asked to."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.evaluate import EvaluationResult, write_merged
from i2i.metrics.value import MetricValue
from i2i.training import run
from i2i_runtime import images
from tests.cli.test_cli import i2i_run
from tests.evaluate.test_upscaling import picture
from tests.published import published_srvgg
from tests.report.pages import write_run
from tests.worlds import digits, tiny_recipe

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of a generator of images from noise, photos, weights of an upscaler and a run's logs."""
    home = tmp_path_factory.mktemp("home")
    data = digits(home / "digits", each=2, classes=range(2))
    run.train(tiny_recipe("dcgan", data, "train.steps=1"), home / "faces", device="cpu")
    for seed in range(2):
        (home / "photos").mkdir(exist_ok=True)
        images.write(home / "photos" / f"{seed}.png", picture(seed=seed))
    torch.manual_seed(0)
    torch.save(published_srvgg(convolutions=1)[1], home / "net.pth")
    write_run(home / "logged")
    return home


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


_DESCENT = ["--steps", "1", "--restarts", "1"]


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ("new/a.onnx", ["export", "net.pth", "-o", "new/a.onnx"]),
        ("new/a.onnx.data", ["export", "net.pth", "-o", "new/a.onnx"]),
        ("new/models/a/config.pbtxt", ["export", "net.pth", "-o", "new/a.onnx", "--triton", "new/models"]),
        ("new/a.safetensors", ["convert", "net.pth", "--to", "i2i", "--out", "new/a.safetensors"]),
        ("new/a.safetensors", ["interpolate", "net.pth", "net.pth", "--out", "new/a.safetensors"]),
        ("new/seed0000.png", ["sample", "faces", "new", "--n", "2"]),
        ("new/a.png", ["sample", "faces", "new/a.png", "--grid", "--n", "2"]),
        ("new/a.png", ["walk", "faces", "new/a.png", "--from", "1", "--to", "2", "--frames", "2"]),
        ("new/1.png", ["invert", "faces", "photos", "new", *_DESCENT]),
        ("new/1-beside.png", ["invert", "faces", "photos", "new", *_DESCENT]),
        ("new/a.csv", ["anomaly", "faces", "photos", "new/a.csv", *_DESCENT]),
        ("new/maps/1.png", ["anomaly", "faces", "photos", "new/a.csv", "--maps", "new/maps", *_DESCENT]),
        ("new/a.json", ["evaluate", "folders", "photos", "photos", "--metrics", "psnr", "--json", "new/a.json"]),
        ("new/a.json", ["evaluate", "faces", "--metrics", "diversity", "--json", "new/a.json"]),
        ("new/a.csv", ["evaluate", "sr", "--data", "photos", "--scale", "2", "--out", "new/a.csv"]),
        ("new/a.html", ["report", "logged", "-o", "new/a.html", "--images", "0"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_file_that_is_there_stays_and_nothing_is_written_beside_it(
    there: str, words: list[str], home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for each in home.iterdir():
        Path(each.name).symlink_to(each)
    file = Path(there)
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    code, _, errors = i2i_run(*words, capsys=capsys)
    assert code == 1 and ("overwrite" in errors or "remove it" in errors) and len(errors.splitlines()) == 1
    assert listing(Path("new")) == {str(file.relative_to("new")): b"mine"}
    if "--triton" not in words:
        assert i2i_run(*words, "--overwrite", capsys=capsys)[0] == 0
        assert not file.exists() or file.read_bytes() != b"mine", "an earlier .data goes with its file"


@pytest.mark.parametrize(
    "words",
    [
        ["translate", "net.pth", "photos", "new.png"],
        ["invert", "faces", "photos", "new.png", *_DESCENT],
        ["edit", "faces", "0", "new.png", "--direction", "dirs/direction-1.npy"],
        ["edit", "faces", "photos", "new.png", "--direction", "dirs/direction-1.npy", "--steps", "1"],
        ["directions", "faces", "new.png", "--n", "1"],
    ],
    ids=" ".join,
)
def test_a_folder_is_not_given_the_name_of_an_image(
    words: list[str], home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    if not Path("dirs").exists():
        assert i2i_run("directions", "faces", "dirs", "--n", "1", capsys=capsys)[0] == 0
    code, _, errors = i2i_run(*words, capsys=capsys)
    assert (code, errors) == (1, "error: new.png: the results go into a folder; name one without .png\n")
    assert not Path("new.png").exists()


def test_a_page_of_its_own_is_replaced_and_said(home: Path, tmp_path: Path, capsys: Captured) -> None:
    words = ["report", home / "logged", "-o", tmp_path / "a.html", "--images", "0"]
    assert i2i_run(*words, capsys=capsys)[0] == 0
    (tmp_path / "a.html").write_text((tmp_path / "a.html").read_text().replace("</html>", "<!-- older --></html>"))
    code, out, _ = i2i_run(*words, capsys=capsys)
    assert code == 0 and "the earlier page is replaced" in out and "older" not in (tmp_path / "a.html").read_text()


def test_metrics_of_the_same_images_are_merged_and_of_others_refused(
    home: Path, tmp_path: Path, capsys: Captured
) -> None:
    file, fake, real = tmp_path / "a.json", tmp_path / "fake", home / "photos"
    fake.mkdir()
    for name in images.list_images(real):
        images.write(fake / name, 255 - images.read(real / name))
    words = ["evaluate", "folders", fake, real, "--json", file, "--metrics"]
    assert i2i_run(*words, "psnr", capsys=capsys)[0] == 0
    assert "beside 1 measured earlier" in i2i_run(*words, "ssim", capsys=capsys)[1]
    assert "measured" not in i2i_run(*words, "psnr,ssim", "--overwrite", capsys=capsys)[1]
    both = file.read_bytes()
    i2i_run(*words, "psnr", capsys=capsys)
    assert sorted(file.read_bytes()) == sorted(both), "the same measures, whatever their order"
    images.write(fake / images.list_images(fake)[0], np.zeros_like(picture(seed=0)))
    for other in (["psnr"], ["psnr", "--seed", "1"]):
        code, _, errors = i2i_run(*words, *other, capsys=capsys)
        assert code == 1 and "holds metrics of other files" in errors and "--overwrite" in errors
    assert sorted(file.read_bytes()) == sorted(both)


def test_classes_of_two_segmenters_are_not_mixed(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for names in (["PSNR", "mIoU", "IoU sky", "IoU road"], ["mIoU", "IoU sky"]):
        write_merged(EvaluationResult(metrics={name: MetricValue(0.5) for name in names}), file)
    assert set(json.loads(file.read_text())["metrics"]) == {"PSNR", "mIoU", "IoU sky"}


def test_a_run_keeps_its_metrics_where_others_go_to_a_file(home: Path, tmp_path: Path, capsys: Captured) -> None:
    words = ["evaluate", home / "faces", "--metrics", "diversity"]
    own, other = home / "faces" / "evaluation.json", tmp_path / "a.json"
    assert i2i_run(*words, "--overwrite", capsys=capsys)[0] == 0
    before = own.read_bytes()
    code, _, errors = i2i_run(*words, "--seed", "5", capsys=capsys)
    assert code == 1 and "evaluation.json: holds metrics of --seed 0, not 5" in errors
    code, out, _ = i2i_run(*words, "--seed", "5", "--json", other, capsys=capsys)
    assert code == 0 and "(left as it is)" in out and other.is_file() and own.read_bytes() == before
