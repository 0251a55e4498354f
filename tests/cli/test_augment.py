"""`i2i augment`, on runs two steps long."""

import csv
from pathlib import Path

import pytest

from i2i.training import run
from i2i_runtime import images
from tests.cli.test_cli import i2i_run
from tests.worlds import digits, tiny_recipe

Run = pytest.CaptureFixture[str]
LAX = ("--neighbours", "4", "--copy", "0", "--tries", "3")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits(tmp_path_factory.mktemp("data") / "digits", each=6, classes=range(2))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = tiny_recipe("dcgan", data, "train.steps=2", "method.classes=2", 'data.classes=["0", "1"]')
    return run.train(recipe, tmp_path_factory.mktemp("runs") / "run", device="cpu")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_a_class_is_filled_and_filling_goes_on(
    trained: Path, data: Path, tmp_path: Path, capsys: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every third sample passes, whatever it is like: what the gate says is tested with the gate.
    from i2i.metrics import sample_gate

    seen: list[int] = []

    def judge(fake: object, **_: object) -> list[sample_gate.Judgement]:
        seen.extend(range(len(fake)))  # type: ignore[arg-type]
        verdicts = [sample_gate.Verdict.COPY, sample_gate.Verdict.OUTSIDE, sample_gate.Verdict.KEPT]
        first = len(seen) - len(fake)  # type: ignore[arg-type]
        return [sample_gate.Judgement(verdicts[(first + at) % 3], 2, 0.25) for at in range(len(fake))]  # type: ignore[arg-type]

    monkeypatch.setattr(sample_gate, "judge", judge)
    words = ["augment", trained, data / "1", tmp_path / "more", "--others", data, "--batch", "2", "--tries", "9"]
    words += ["--spread", "6"]  # of six images
    code, said, errors = i2i_run(*words, "--n", "2", capsys=capsys)
    assert code == 0 and "2 kept, 2 copy, 2 outside" in said, errors
    first = rows(tmp_path / "more")
    assert [row["seed"] for row in first if row["verdict"] == "kept"] == ["2", "5"]
    assert first[0]["nearest"] == sorted(images.list_images(data / "1"))[2].name and first[0]["ratio"] == "0.25"
    code, said, _ = i2i_run(*words, "--n", "3", capsys=capsys)
    assert code == 0 and "3 kept" in said and rows(tmp_path / "more")[: len(first)] == first
    names = [path.name for path in images.list_images(tmp_path / "more")]
    assert names == ["seed0002.png", "seed0005.png", "seed0008.png"]
    i2i_run("sample", trained, tmp_path / "samples", "--n", "9", "--class", "1", capsys=capsys)
    for name in names:
        made, sampled = (images.read(folder / name) for folder in (tmp_path / "more", tmp_path / "samples" / "class1"))
        assert abs(made.astype(int) - sampled).max() <= 1


def test_no_real_image_has_more_than_its_share_of_samples(
    trained: Path, data: Path, tmp_path: Path, capsys: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from i2i.metrics import sample_gate

    def judge(fake: object, **_: object) -> list[sample_gate.Judgement]:
        return [sample_gate.Judgement(sample_gate.Verdict.KEPT, 3, 0.5)] * len(fake)  # type: ignore[arg-type]

    monkeypatch.setattr(sample_gate, "judge", judge)
    words = ["augment", trained, data / "1", tmp_path / "more", "--n", "9", "--tries", "2", "--batch", "4"]
    code, said, errors = i2i_run(*words, "--spread", "2", capsys=capsys)  # times 9 samples for 6 images
    assert code == 3 and "3 kept" in said and "15 crowded, of 18 samples" in said, errors
    assert [row["verdict"] for row in rows(tmp_path / "more")] == ["kept"] * 3 + ["crowded"] * 15
    assert len(images.list_images(tmp_path / "more")) == 3
    code, _, errors = i2i_run(*words, "--spread", "4", capsys=capsys)
    assert code == 1 and "written with other weights, options or version" in errors


def test_what_does_not_pass_is_counted_and_said(trained: Path, data: Path, tmp_path: Path, capsys: Run) -> None:
    words = ["augment", trained, data / "0", tmp_path / "more", "--copy", "100", "--n", "2", "--tries", "3"]
    code, said, errors = i2i_run(*words, capsys=capsys)
    assert code == 3 and "0 kept" in said and "of 6 samples" in said and "--tries 3 are used up" in said, errors
    assert len(rows(tmp_path / "more")) == 6 and not images.list_images(tmp_path / "more")
    code, _, errors = i2i_run(*words, "--truncation", "0.5", capsys=capsys)
    assert code == 1 and "written with other weights, options or version" in errors
    code, said, _ = i2i_run(*words, "--truncation", "0.5", "--overwrite", capsys=capsys)
    assert code == 3 and "of 6 samples" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["RUN", "DATA", "out"], "none of the generator's classes; choose from: --class 0 to 1"),
        (["RUN", "DATA/1", "DATA/1/more"], "lies among the images themselves"),
        (["RUN", "DATA/1", "out", "--class", "2"], "class 2 is not known"),
        (["WEIGHTS", "DATA/1", "out"], "name the run, whose discriminator judges"),
        (["RUN", "DATA/1", "out", "--neighbours", "6"], "6 real images: too few for 6 neighbours"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words: list[str], said: str, trained: Path, data: Path, tmp_path: Path, capsys: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = next(trained.glob("checkpoints/*/generator.safetensors"))
    for word, path in (("WEIGHTS", weights), ("RUN", trained), ("DATA", data)):
        words = [each.replace(word, str(path)) for each in words]
    code, _, errors = i2i_run("augment", *words, capsys=capsys)
    assert code == 1 and said in errors and len(errors.strip().splitlines()) == 1
    assert not images.list_images(tmp_path)
