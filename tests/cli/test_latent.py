"""`i2i sample`, `walk`, `invert` and `anomaly`, on runs two steps long."""

import csv
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from safetensors import safe_open

from i2i.cli.invert import Stopped, count_steps
from i2i.cli.progress import ProgressLine, StopSignal
from i2i.training import run
from i2i_runtime import images
from tests.cli.test_cli import i2i_run
from tests.worlds import digits, tiny_recipe, tiny_world

Run = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits(tmp_path_factory.mktemp("data") / "digits", each=3, classes=range(3))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = tiny_recipe("dcgan", data, "train.steps=2")
    return run.train(recipe, tmp_path_factory.mktemp("runs") / "run", device="cpu")


@pytest.fixture(scope="module")
def conditional(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = tiny_recipe("dcgan", data, "train.steps=2", "method.classes=3")
    return run.train(recipe, tmp_path_factory.mktemp("runs") / "conditional", device="cpu")


def test_samples_go_into_a_folder_and_are_not_written_again(trained: Path, tmp_path: Path, capsys: Run) -> None:
    out = tmp_path / "out"
    code, said, _ = i2i_run("sample", trained, out, "--n", "5", "--seed", "3", "--batch", "2", capsys=capsys)
    assert code == 0 and "5 written, 0 there already" in said
    assert [path.name for path in images.list_images(out)] == [f"seed{seed:04d}.png" for seed in range(3, 8)]
    code, said, _ = i2i_run("sample", trained, out, "--n", "6", "--seed", "3", capsys=capsys)
    assert code == 0 and "1 written, 5 there already" in said
    code, _, errors = i2i_run("sample", trained, out, "--n", "5", "--truncation", "0.5", capsys=capsys)
    assert code == 1 and "written with other weights, options or version" in errors


def test_samples_of_classes_lie_in_a_folder_each(conditional: Path, tmp_path: Path, capsys: Run) -> None:
    i2i_run("sample", conditional, tmp_path / "all", "--n", "6", capsys=capsys)
    assert {path.parent.name for path in images.list_images(tmp_path / "all")} == {"class0", "class1", "class2"}
    i2i_run("sample", conditional, tmp_path / "one", "--n", "3", "--class", "1", capsys=capsys)
    assert {path.parent.name for path in images.list_images(tmp_path / "one")} == {"class1"}
    code, _, _ = i2i_run("sample", conditional, tmp_path / "sheets" / "a.png", "--grid", "--n", "6", capsys=capsys)
    assert code == 0 and images.read(tmp_path / "sheets" / "a.png").shape == (66, 100, 1)


def test_a_walk_is_a_sheet_or_a_film(trained: Path, tmp_path: Path, capsys: Run) -> None:
    words = ["walk", trained, tmp_path / "walk.png", "--from", "3", "--to", "9", "--frames", "4"]
    assert i2i_run(*words, capsys=capsys)[0] == 0
    i2i_run("sample", trained, tmp_path / "ends", "--n", "7", "--seed", "3", capsys=capsys)
    sheet = images.read(tmp_path / "walk.png").astype(int)
    assert sheet.shape == (32, 134, 1)
    for columns, seed in ((slice(0, 32), 3), (slice(102, 134), 9)):
        assert abs(sheet[:, columns] - images.read(tmp_path / "ends" / f"seed{seed:04d}.png")).max() <= 1
    av = pytest.importorskip("av")
    film = tmp_path / "walk.mp4"
    code, _, errors = i2i_run(
        "walk", trained, film, "--from", "3", "--to", "9", "--to", "3", "--frames", "4", "--rate", "10", capsys=capsys
    )
    assert code == 0, errors
    with av.open(film) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.codec_context.name == "h264" and stream.pix_fmt == "yuv420p" and stream.average_rate == 10
    assert len(frames) == 7 and frames[0].shape == (256, 256, 3)
    shown = sheet[:, :32].repeat(8, axis=0).repeat(8, axis=1)
    assert abs(frames[0] - shown).mean() < 4
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_without_pyav_a_sentence_says_what_to_install(
    trained: Path, tmp_path: Path, capsys: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    code, _, errors = i2i_run("walk", trained, tmp_path / "walk.mp4", "--from", "3", "--to", "9", capsys=capsys)
    assert code == 1 and "pip install '.[video]' in a checkout of i2i; or name a .png for a sheet" in errors


def test_arithmetic_is_one_titled_sheet(conditional: Path, tmp_path: Path, capsys: Run) -> None:
    words = [
        "walk",
        conditional,
        tmp_path / "sum.png",
        "--add",
        "1,4,5",
        "--subtract",
        "2",
        "--add",
        "3",
        "--class",
        "1",
    ]
    assert i2i_run(*words, capsys=capsys)[0] == 0
    height, width, _ = images.read(tmp_path / "sum.png").shape
    assert width == 4 * 192 and height > 192


def test_an_inverted_image_has_three_files(conditional: Path, data: Path, tmp_path: Path, capsys: Run) -> None:
    photo, out = data / "2" / images.list_images(data / "2")[0], tmp_path / "out"
    words = ["invert", conditional, photo, out, "--steps", "5", "--restarts", "2", "--class", "2", "--vgg-weight", "0"]
    code, said, errors = i2i_run(*words, capsys=capsys)
    assert code == 0, errors
    assert f"{photo.name}: " in said and " dB" in said and "nearest by pixels alone" in said
    assert {path.name for path in out.glob("[!.]*")} == {
        f"{photo.stem}{end}" for end in (".png", "-beside.png", ".safetensors")
    }
    beside, made = images.read(out / f"{photo.stem}-beside.png"), images.read(out / f"{photo.stem}.png")
    assert (beside[:, :32] == images.read(photo)).all() and (beside[:, 32:] == made).all()
    with safe_open(out / f"{photo.stem}.safetensors", framework="np") as file:
        assert file.get_tensor("z").shape == (8,) and file.get_tensor("label") == 2
    code, said, _ = i2i_run(*words, capsys=capsys)
    assert code == 0 and "0 inverted, 1 there already" in said
    code, _, errors = i2i_run(*words, "--space", "w", capsys=capsys)
    assert code == 1 and "written with other weights, options or version" in errors


def test_a_descent_is_counted_step_by_step_and_stopped_in_its_midst() -> None:
    class Counted(ProgressLine):
        def count(self, noun: str) -> Callable[[int, int], None]:
            assert noun == "steps"
            return lambda done, total: counts.append((done, total))

    counts: list[tuple[int, int]] = []
    stop = StopSignal()
    progress = count_steps(Counted(), stop, batches=2)
    for _ in range(2):
        for step in range(1, 4):
            progress(step, 3)
    assert counts == [(done, 6) for done in range(1, 7)]
    stop.signal = 2
    with pytest.raises(Stopped):
        progress(1, 3)


@pytest.mark.parametrize("verb", ["invert", "anomaly"])
def test_a_signal_ends_a_descent_and_leaves_what_was_done(
    verb: str, trained: Path, data: Path, tmp_path: Path, capsys: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopsSoon(StopSignal):
        asked = 0

        def __call__(self) -> bool:
            self.asked += 1
            self.signal = 2 * (self.asked > 7)
            return super().__call__()

    monkeypatch.setattr("i2i.cli.progress.stop_on_signals", lambda: nullcontext(StopsSoon()))
    out = tmp_path / "out.csv" if verb == "anomaly" else tmp_path / "out"
    code, said, _ = i2i_run(verb, trained, data / "1", out, "--steps", "5", "--batch", "2", capsys=capsys)
    assert code == 130
    done = len(list(csv.DictReader(out.open()))) if verb == "anomaly" else len(list(out.glob("*.safetensors")))
    assert done == 2 and ("2 scores" if verb == "anomaly" else "2 inverted") in said


def test_one_bad_image_never_stops_scoring(trained: Path, data: Path, tmp_path: Path, capsys: Run) -> None:
    source = tmp_path / "in"
    (source / "inner").mkdir(parents=True)
    for at, name in enumerate(images.list_images(data)[:3]):
        (source / "inner" / f"{at}.png").write_bytes((data / name).read_bytes())
    (source / "bad.png").write_bytes(b"no image")
    words = ["anomaly", trained, source, tmp_path / "scores.csv", "--steps", "2", "--batch", "2"]
    code, said, _ = i2i_run(*words, "--maps", tmp_path / "maps", capsys=capsys)
    assert code == 3 and "3 scores, highest" in said and "1 failed:" in said and "bad.png: not an image" in said
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert [row["name"] for row in rows] == ["inner/0.png", "inner/1.png", "inner/2.png"]
    for row in rows:
        score, residual, feature = (float(row[column]) for column in ("score", "residual", "feature"))
        assert score == pytest.approx(0.9 * residual + 0.1 * feature, rel=1e-4)
    assert len(images.list_images(tmp_path / "maps")) == 3
    code, _, errors = i2i_run(*words, capsys=capsys)
    assert code == 1 and "is there already; name another, or --overwrite" in errors


def test_the_images_themselves_are_never_written_over(trained: Path, data: Path, tmp_path: Path, capsys: Run) -> None:
    photo = data / "2" / images.list_images(data / "2")[0]
    before = photo.read_bytes()
    for source, out in ((data, data), (photo, photo.parent), (data, data / "inside")):
        for words in (
            ["invert", trained, source, out, "--overwrite"],
            ["anomaly", trained, source, tmp_path / "scores.csv", "--maps", out],
        ):
            code, _, errors = i2i_run(*words, "--steps", "1", capsys=capsys)
            assert code == 1 and "lies among the images themselves; name a folder of its own" in errors
    assert photo.read_bytes() == before and not (data / "inside").exists() and not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sample", "RUN", "out.png"], "with --grid they are one .png"),
        (["sample", "RUN", "out", "--grid"], "allowed: a file whose name ends in .png"),
        (["sample", "RUN", "out", "--class", "1"], "trained without classes"),
        (["sample", "RUN", "out", "--truncation", "2"], "'--truncation': allowed: up to 1"),
        (["sample", "nowhere", "out"], "nowhere"),
        (["walk", "RUN", "a.png", "--from", "1"], "--from 3 --to 9"),
        (["walk", "RUN", "a.gif", "--from", "1", "--to", "2"], "ends in .png, .mp4, .mkv or .mov"),
        (["walk", "RUN", "a.png", "--from", "1", "--to", "2", "--add", "3"], "choose one of both"),
        (["walk", "RUN", "a.mp4", "--add", "3"], "arithmetic gives a sheet"),
        (["walk", "RUN", "a.png", "--add", "3,x"], "--add 3,x: allowed: whole numbers"),
        (["walk", "RUN", "a.png", "--from", "1", "--to", "2", "--class", "1,2,3"], "3 classes for 2 stops"),
        (["invert", "RUN", "nowhere", "out"], "nowhere: no such file or folder"),
        (["anomaly", "RUN", "nowhere", "a.txt"], "ends in .csv"),
        (["anomaly", "RUN", "nowhere", "a.csv"], "nowhere: no such file or folder"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words: list[str], said: str, trained: Path, tmp_path: Path, capsys: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, errors = i2i_run(*[str(trained) if word == "RUN" else word for word in words], capsys=capsys)
    assert code == 1 and said in errors and len(errors.strip().splitlines()) == 1
    assert not any(tmp_path.iterdir())


def test_a_translator_cannot_be_sampled(tmp_path: Path, capsys: Run) -> None:
    recipe = tiny_recipe("cyclegan", tiny_world(tmp_path / "world", count=4), "train.steps=1")
    folder = run.train(recipe, tmp_path / "run", device="cpu")
    code, _, errors = i2i_run("sample", folder, tmp_path / "out", capsys=capsys)
    assert code == 1 and "i2i translate" in errors and not (tmp_path / "out").exists()
