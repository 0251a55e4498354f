"""Training from Python takes what the command line takes, and refuses it in the same words."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import i2i
from i2i import recipe
from i2i.checkpoints import run as checkpoint
from i2i.training.run import default_folder
from tests.cli.test_cli import i2i_run
from tests.worlds import Recorder, overrides, tiny_recipe, tiny_world


def as_mapping(texts: list[str]) -> dict[str, Any]:
    """Overrides of the command line as a Python program has them."""
    pairs = [text.partition("=")[::2] for text in texts]
    return {key: tomllib.loads(f"v = {value}")["v"] if value[0] in "0123456789[tf" else value for key, value in pairs}


def test_three_lines_train_what_the_command_line_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    world = tiny_world(tmp_path / "world")
    settings = overrides("cyclegan", "train.steps=1", "optimizer.lr=1e-3")
    words = [word for text in settings for word in ("--set", text)]
    code, _, errors = i2i_run("train", "cyclegan", world, "--out", "typed", *words, capsys=capsys)
    assert code == 0, errors
    run = i2i.train("cyclegan", [world], as_mapping(settings))
    assert run == Path("runs/cyclegan/world") and checkpoint.find(run).name == "00000001"
    assert recipe.load_run(run) == recipe.load_run(Path("typed"))


@pytest.mark.parametrize(
    ("name", "folder"), [("cut", "cut"), ("fastcut", "fastcut"), ("fastcut/horse2zebra", "fastcut"), ("x.toml", "cut")]
)
def test_a_run_is_called_after_what_was_named(name: str, folder: str) -> None:
    chosen, _ = recipe.choose(name if "toml" not in name else str(recipe.find("cut")), ["p/a", "b"])
    assert default_folder(chosen, name) == Path("runs") / folder / "a-b"


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (("cyclgan", ["x"]), {}),
        (("cyclegan", []), {}),
        (("cyclegan", ["./nowhere"]), {}),
        (("cyclegan", ["x"], ["train.stesp=5"]), {}),
        (("cyclegan", ["x"], ["train.steps=many"]), {}),
        (("cyclegan", ["x"], ["method.generator=unett"]), {}),
        (("cyclegan", ["x"]), {"plugins": ["gone.py"]}),
        (("cyclegan", ["x"]), {"conditional": True}),
        (("mine.toml", ["x"]), {}),
    ],
)
@pytest.mark.parametrize("kind", ["texts", "mapping"])
def test_what_is_wrong_is_said_as_on_the_command_line(
    words: Any,
    more: Any,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    method, data, settings = words if len(words) == 3 else (*words, [])
    typed = [word for text in settings for word in ("--set", text)]
    typed += [word for file in more.get("plugins", []) for word in ("--plugin", file)]
    typed += ["--conditional"] * more.get("conditional", False)
    _, _, errors = i2i_run("train", method, *data, *typed, capsys=capsys)
    with pytest.raises(ValueError) as error:
        i2i.train(method, data, settings if kind == "texts" else as_mapping(settings), **more)
    assert errors == f"error: {error.value}\n"


def test_a_whole_recipe_and_a_folder_are_taken_too(tmp_path: Path) -> None:
    chosen = tiny_recipe("pix2pix", tiny_world(tmp_path / "world"), "train.steps=1")
    for run in (i2i.train(chosen, tmp_path / "a", reporter=Recorder()), i2i.train(chosen, run=tmp_path / "b")):
        assert checkpoint.find(run).name == "00000001"
    assert i2i.resume(tmp_path / "a", {"train.steps": 2}) == tmp_path / "a"
    assert checkpoint.find(tmp_path / "a").name == "00000002"


def test_a_plugin_given_from_python_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(
        "from i2i.registry import schedules\n@schedules.register('half-of-python')\nclass Half:\n"
        "    def __call__(self, step: int, steps: int) -> float:\n        return 0.5\n"
    )
    world, plugins = tiny_world(tmp_path / "world"), [tmp_path / "half.py"]
    settings = as_mapping(overrides("pix2pix", "train.steps=1", "schedule.name=half-of-python"))
    run = i2i.train("pix2pix", world, settings, plugins=plugins, run=tmp_path / "run")
    assert recipe.load(run / "recipe.toml").plugins == [str(tmp_path / "half.py")]
    assert "i2i_plugin_half" in "".join(sys.modules)
