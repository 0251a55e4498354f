"""`i2i invert --space w+`, `directions`, `edit`, `mix`, and `walk` between latents, on a run two steps long."""

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from i2i.training import run
from i2i_runtime import images
from tests.cli.test_cli import i2i_run
from tests.worlds import digits, tiny_recipe

Run = pytest.CaptureFixture[str]
QUICK = ("--steps", "3", "--restarts", "1", "--vgg-weight", "0")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits(tmp_path_factory.mktemp("data") / "digits", each=3, classes=range(2))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = tiny_recipe("stylegan2", data, "train.steps=2", "method.generator.features=16")
    return run.train(recipe, tmp_path_factory.mktemp("runs") / "run", device="cpu")


@pytest.fixture(scope="module")
def plain(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.train(tiny_recipe("dcgan", data, "train.steps=1"), tmp_path_factory.mktemp("runs") / "run", device="cpu")


def test_a_photo_is_inverted_tuned_edited_and_walked_to(trained: Path, data: Path, tmp_path: Path, capsys: Run) -> None:
    photo = data / "1" / images.list_images(data / "1")[0]
    words = ["invert", trained, photo, tmp_path / "inverted", "--space", "w+", *QUICK, "--tune", "2"]
    code, said, errors = i2i_run(*words, capsys=capsys)
    assert code == 0, errors
    latent = tmp_path / "inverted" / f"{photo.stem}.safetensors"
    with safe_open(latent, framework="np") as file:
        assert file.get_tensor("w+").shape == (8, 8) and "noise.flat.0.noise" in list(file.keys())
    code, said, errors = i2i_run("directions", trained, tmp_path / "found", "--n", "2", capsys=capsys)
    assert code == 0 and "2 directions" in said, errors
    assert np.load(tmp_path / "found" / "direction-2.npy").shape == (8,)
    assert images.read(tmp_path / "found" / "directions.png").shape == (22 + 2 * 192, 7 * 192, 3)

    tuned, direction = latent.with_name(f"{photo.stem}-tuned.safetensors"), tmp_path / "found" / "direction-1.npy"
    words = ["edit", tuned, latent, tmp_path / "out", "--direction", direction, "--strength", "0,-2"]
    code, said, errors = i2i_run(*words, capsys=capsys)
    assert code == 0 and "1 edited by 0,-2" in said, errors
    names = [f"{photo.stem}{end}" for end in ("+0.png", "+0.safetensors", "-2.png", "-2.safetensors", "-sheet.png")]
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == sorted(names)
    unmoved = images.read(tmp_path / "out" / f"{photo.stem}+0.png")
    assert abs(unmoved.astype(int) - images.read(tmp_path / "inverted" / f"{photo.stem}.png")).max() <= 1
    edited = tmp_path / "out" / f"{photo.stem}-2.safetensors"
    code, _, errors = i2i_run(
        "walk", tuned, tmp_path / "walk.png", "--from", edited, "--to", "3", "--frames", "3", capsys=capsys
    )
    assert code == 0, errors
    start = images.read(tmp_path / "walk.png")[:, :32].astype(int)
    assert abs(start - images.read(tmp_path / "out" / f"{photo.stem}-2.png")).max() <= 1


def test_images_of_a_folder_are_inverted_before_they_are_edited(
    trained: Path, data: Path, tmp_path: Path, capsys: Run
) -> None:
    i2i_run("directions", trained, tmp_path / "found", "--n", "1", "--by", "pca", "--layers", "2-4", capsys=capsys)
    words = ["--direction", tmp_path / "found" / "direction-1.npy", "--strength", "1"]
    code, said, errors = i2i_run("edit", trained, data / "0", tmp_path / "out", *words, "--steps", "1", capsys=capsys)
    assert code == 0 and "3 inverted" in said and "3 edited by 1, 0 there already" in said, errors
    code, said, _ = i2i_run("edit", trained, data / "0", tmp_path / "out", *words, "--steps", "1", capsys=capsys)
    assert code == 0 and "0 edited by 1, 3 there already" in said
    code, said, _ = i2i_run("edit", trained, "3,5", tmp_path / "seeds", *words, capsys=capsys)
    assert code == 0 and (tmp_path / "seeds" / "seed0005+1.png").exists()


def test_a_mixing_sheet_has_its_sources_at_the_edges(trained: Path, tmp_path: Path, capsys: Run) -> None:
    words = ["mix", trained, tmp_path / "mix.png", "--rows", "1,2", "--columns", "3,4,5", "--layers", "4-7"]
    code, _, errors = i2i_run(*words, capsys=capsys)
    assert code == 0, errors
    sheet = images.read(tmp_path / "mix.png").astype(int)
    assert sheet.shape == (3 * 34 - 2, 4 * 34 - 2, 1) and (sheet[:32, :32] == 255).all()
    i2i_run("sample", trained, tmp_path / "samples", "--n", "5", "--seed", "1", capsys=capsys)
    for row, column, seed in ((0, 1, 3), (0, 3, 5), (1, 0, 1), (2, 0, 2)):
        cell = sheet[row * 34 : row * 34 + 32, column * 34 : column * 34 + 32]
        assert abs(cell - images.read(tmp_path / "samples" / f"seed{seed:04d}.png")).max() <= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["invert", "PLAIN", "PHOTO", "out", "--space", "w+"], "no w+; choose from: z, w"),
        (["directions", "PLAIN", "out", "--by", "pca"], "choose from: --by sefa"),
        (["directions", "RUN", "out", "--n", "99"], "allowed: 1 to 8"),
        (["directions", "RUN", "out", "--layers", "5-9"], "choose from 0 to 7"),
        (["mix", "PLAIN", "out.png"], "nothing to mix"),
        (["mix", "RUN", "out.jpg"], "ends in .png"),
        (["mix", "RUN", "out.png", "--rows", "1,x"], "x: no seed"),
        (["edit", "RUN", "1", "out", "--direction", "nowhere.npy"], "nowhere.npy: no .npy of a direction"),
        (["edit", "RUN", "1", "out", "--direction", "d.npy", "--strength", "2,much"], "--strength 2,much: allowed"),
        (["walk", "RUN", "a.png", "--from", "1", "--to", "face.safetensors"], "face.safetensors: no seed"),
        (["walk", "RUN", "a.png", "--from", str(2**63), "--to", "1"], "2 ** 63 - 1"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words: list[str],
    said: str,
    trained: Path,
    plain: Path,
    data: Path,
    tmp_path: Path,
    capsys: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    known = {"RUN": trained, "PLAIN": plain, "PHOTO": data / "0" / images.list_images(data / "0")[0]}
    code, _, errors = i2i_run(*[str(known.get(word, word)) for word in words], capsys=capsys)
    assert code == 1 and said in errors and len(errors.strip().splitlines()) == 1
    assert not list(tmp_path.glob("out*/[!.]*")) and not list(tmp_path.glob("*.png"))
