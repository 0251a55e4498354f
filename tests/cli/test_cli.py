"""The program as a user meets it: exit codes, one sentence for an error, nothing lost."""

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import i2i.cli
import i2i_runtime.cli
from i2i import recipe
from i2i.checkpoints import run as checkpoint
from i2i.evaluate.instruments import METRICS
from i2i.extras import EXTRAS
from i2i.metrics.pair_metrics import PAIR_METRICS
from i2i.metrics.set_metrics import SET_METRICS
from i2i.recipe import sections
from i2i_runtime.images import list_images
from tests.waits import HANGS
from tests.worlds import overrides, tiny_world


def i2i_run(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of `i2i WORDS`, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["i2i", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            i2i.cli.main()
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out, printed.err


def settings(method: str, *more: str) -> list[str]:
    return [word for text in overrides(method, *more) for word in ("--set", text)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world")


def test_train_translate_and_translate_again(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = i2i_run("train", "cyclegan", world, *settings("cyclegan", "train.steps=2"), capsys=capsys)
    assert code == 0 and "runs/cyclegan/world" in out
    latest = Path("runs/cyclegan/world/latest")
    code, out, _ = i2i_run("translate", latest, world / "testA", "out", capsys=capsys)
    assert code == 0 and "2 translated" in out and "b_to_a" in out
    assert list_images(Path("out")) == list_images(world / "testA")
    code, out, _ = i2i_run("translate", latest, world / "testA", "out", capsys=capsys)
    assert code == 0 and "0 translated, 2 were there already" in out


def test_an_unreadable_image_is_reported_and_the_rest_continues(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    i2i_run("train", "pix2pix", world, "--out", tmp_path / "run", *settings("pix2pix", "train.steps=1"), capsys=capsys)
    images = tmp_path / "images"
    images.mkdir()
    for file in (world / "testA").iterdir():
        (images / file.name).write_bytes(file.read_bytes())
    (images / "bad.png").write_bytes(b"no image")
    code, out, _ = i2i_run("translate", tmp_path / "run", images, tmp_path / "out", capsys=capsys)
    assert code == 3 and "2 translated" in out and "1 failed" in out and "bad.png: not an image" in out
    assert len(list_images(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], "name a method and its data"),
        (["train", "cyclegan"], "name a known data set, one folder, or two"),
        (["train", "cyclgan", "x"], "did you mean 'cyclegan'"),
        (["train", "cyclegan", "./nowhere"], "./nowhere: no such folder"),
        (["evaluate", "utilty", "--source", "x"], "no run and no command of that name; did you mean 'utility'"),
        (["train", "cyclegan", "horse2zebr"], "did you mean 'horse2zebra'"),
        (["train", "cyclegan", "x", "--set", "train.stesp=5"], "did you mean 'steps'"),
        (["train", "cyclegan", "x", "--set", "train.steps"], "write it as section.option=value"),
        (["train", "cyclegan", "x", "--stps", "5"], "No such option: --stps"),
        (["train", "cyclegan", "x", "--plugin", "gone.py"], "gone.py: no such file"),
        (["train", "--resume", "nowhere"], "nowhere: no such file or folder"),
        (["train", "cyclegan", "x", "--resume", "nowhere"], "--resume takes its recipe"),
        (["translate", "nowhere", "a", "b"], "nowhere: no such file or folder"),
        (["list", "generatrs"], "did you mean 'generators'"),
        (["show", "cyclegan", "--set", "method.generator=unett"], "did you mean 'unet'"),
        (["data", "check", "./nowhere"], "nowhere"),
        (["data", "make", "simreal", "x"], "did you mean 'sim2real'"),
        (["data", "download", "horse2zebr"], "did you mean 'horse2zebra'"),
        (["train", "cyclegan/carla2camvod", "x"], "did you mean 'cyclegan/carla2camvid'"),
        (["trian"], "trian"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_and_exit_code_1(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, errors = i2i_run(*words, capsys=capsys)
    assert code == 1 and said in errors and "Traceback" not in errors
    assert len(errors.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir()), "and nothing was left behind"


@pytest.mark.parametrize("group", [[], ["data"], ["evaluate"]], ids=" ".join)
def test_a_group_alone_prints_help_with_whole_summaries(
    group: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, errors = i2i_run(*group, capsys=capsys)
    assert (code, errors) == (0, "") and "Commands:" in out
    assert "..." not in out.partition("Commands:")[2]


def test_both_programs_print_their_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert i2i_run("--version", capsys=capsys) == (0, f"i2i {i2i.__version__}\n", "")
    monkeypatch.setattr(sys, "argv", ["i2i-runtime", "--version"])
    with pytest.raises(SystemExit) as end:
        i2i_runtime.cli.main()
    assert (end.value.code, capsys.readouterr().out) == (0, f"i2i-runtime {i2i.__version__}\n")


@pytest.mark.parametrize("name", recipe.list_recipes())
def test_every_listed_recipe_can_be_named_and_is_shown_with_each_key_explained(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = i2i_run("show", name, "a", *["b"] * name.startswith("cyclegan"), capsys=capsys)
    assert code == 0 and f"recipes/{name}.toml" in out
    file = recipe.recipes_folder() / f"{name}.toml"
    assert tomllib.loads(out)["method"]["name"] == tomllib.loads(file.read_text(encoding="utf-8"))["method"]["name"]
    explained = re.sub(r"\s*\n# ", " ", out)
    assert f"{sections.Train.model_fields['log_every'].description}\nlog_every = " in explained


def test_every_metric_is_listed_with_its_description(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = i2i_run("list", "metrics", capsys=capsys)
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(METRICS)
    assert set(METRICS) >= {*SET_METRICS, *PAIR_METRICS}


def test_doctor_lists_extras_and_providers(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "video", "a-package-that-nobody-has")
    _, out, _ = i2i_run("doctor", capsys=capsys)
    assert all(f"extra {name}: " in out for name in EXTRAS) and "CPU" in out.partition("ONNX Runtime: ")[2]
    assert "ok   extra video: not installed; pip install '.[video]' in a checkout of i2i" in out


def test_debug_shows_where_an_error_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["i2i", "train", "--debug"])
    with pytest.raises(ValueError, match="name a method"):
        i2i.cli.main()


def test_images_smaller_than_the_crop_are_named(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "cyclegan", world, "--set", "augment.train.resize=false", "--set", "train.steps=1"]
    code, _, errors = i2i_run(*words, capsys=capsys)
    assert code == 1 and "crop: 16x16 image is smaller than size 256; resize first" in errors and "00000.png" in errors


def test_sizes_that_a_network_cannot_take_are_refused_before_training(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "pix2pix", world, "--out", tmp_path / "run", "--set", "augment.train.crop.size=200"]
    code, _, errors = i2i_run(*words, "--set", "method.generator.features=2", capsys=capsys)
    assert code == 1 and "multiples of 256" in errors and not (tmp_path / "run").exists()
    assert "to train at this size, set method.generator.depth=3" in errors


def test_ctrl_c_saves_and_exits_130(world: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "i2i", "train", "pix2pix", world, "--out", tmp_path / "run"]
    command += settings("pix2pix", "train.steps=100000", "train.workers=2", "train.log_every=1")
    process = subprocess.Popen(
        list(map(str, command)), env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + HANGS
    while not (tmp_path / "run/losses.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the loader's processes get it too
    out, errors = process.communicate(timeout=HANGS)
    assert process.returncode == 130 and "Traceback" not in errors
    assert "go on with: i2i train --resume" in out
    assert int(checkpoint.find(tmp_path / "run").name) > 0


def test_every_kind_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = i2i_run("list", capsys=capsys)
    assert code == 0
    for word in (
        "cyclegan",
        "resnet",
        "patchgan",
        "wgan-gp",
        "scale_width",
        "linear",
        "horse2zebra",
        "pix2pix/facades",
    ):
        assert f"  {word}" in out
    _, some, _ = i2i_run("list", "generators", capsys=capsys)
    assert "unet" in some and "patchgan" not in some


def test_a_list_is_wrapped_on_a_terminal_alone_and_never_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    _, whole, _ = i2i_run("list", "schedules", capsys=capsys)
    monkeypatch.setattr(sys.stdout.__class__, "isatty", lambda self: True)
    _, wrapped, _ = i2i_run("list", "schedules", capsys=capsys)
    assert max(map(len, wrapped.splitlines())) <= 60 < max(map(len, whole.splitlines()))
    assert wrapped.split() == whole.split() and "…" not in whole


@pytest.mark.parametrize("method", [["segmenter"], ["sim2real"], ["pix2pix", "--set", "method.classes=0"]])
def test_networks_of_as_many_classes_as_the_label_maps_show_are_not_counted(
    method: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown, _ = i2i_run("show", *method, capsys=capsys)
    assert code == 0
    assert shown.splitlines()[-1].startswith("# networks: of as many classes as the label maps show")


def test_show_prints_a_recipe_that_train_takes(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = i2i_run("show", "pix2pix", world, *settings("pix2pix", "train.steps=1"), capsys=capsys)
    assert code == 0 and "# generator: " in out
    (tmp_path / "mine.toml").write_text(out)
    code, _, _ = i2i_run("train", tmp_path / "mine.toml", "--out", tmp_path / "run", capsys=capsys)
    assert code == 0 and checkpoint.find(tmp_path / "run").name == "00000001"


def test_doctor_and_the_data_commands_answer(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("I2I_DATA", str(tmp_path / "cache"))
    _, out, _ = i2i_run("doctor", capsys=capsys)
    assert "torch" in out and str(tmp_path / "cache") in out
    code, out, _ = i2i_run("data", "list", capsys=capsys)
    assert code == 0 and "horse2zebra" in out
    code, out, _ = i2i_run("data", "check", world, capsys=capsys)
    assert code == 0 and "no problems" in out
    code, out, _ = i2i_run("data", "make", "sim2real", tmp_path / "w", "--n", "2", "--size", "16", capsys=capsys)
    assert code == 0 and (tmp_path / "w/trainA_labels/00001.png").exists()
    code, out, _ = i2i_run("data", "download", "sim2real", capsys=capsys)
    assert code == 0 and (tmp_path / "cache/sim2real/trainB").is_dir()


def test_without_a_network_one_sentence_says_where_to_put_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    monkeypatch.setenv("I2I_MIRROR", "http://127.0.0.1:9")  # nobody listens there
    code, _, errors = i2i_run("train", "cyclegan", "horse2zebra", capsys=capsys)
    assert code == 1 and str(tmp_path / "horse2zebra.zip") in errors and len(errors.strip().splitlines()) == 1
