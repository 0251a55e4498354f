"""Plugins: a run finds its own again, a file of weights never imports code, and errors name file and line."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from i2i import recipe, registry
from i2i.checkpoints import run as checkpoint
from tests.cli.test_cli import i2i_run
from tests.plugins import forget_plugins, listing, no_plugins, small
from tests.worlds import digits, tiny_world

__all__ = ["no_plugins"]
pytestmark = pytest.mark.usefixtures("no_plugins")

FROM_NOISE = """
from torch import Tensor, nn
from i2i.networks.generators.base import LatentGenerator
from i2i.registry import generators, schedules

@generators.register("noisy")
class Noisy(LatentGenerator):
    latent, size = 4, 32

    def __init__(self, *, size: int, out_channels: int, classes: int = 0) -> None:
        super().__init__()
        self.size, self.out_channels, self.classes = size, out_channels, classes
        self.layer = nn.Linear(4, out_channels * size * size)

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        return self.layer(w).tanh().unflatten(1, (self.out_channels, self.size, self.size))
"""
METHOD = """
from i2i.methods.pix2pix import Pix2Pix
from i2i.registry import methods

@methods.register("mine")
class Mine(Pix2Pix):
    \"\"\"Pix2Pix under another name.\"\"\"
"""


@pytest.fixture
def translator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run of a plugin's method with another plugin's generator."""
    (tmp_path / "my_generator.py").write_text(listing("my_generator.py"))
    (tmp_path / "my_method.py").write_text(METHOD)
    plugins = [word for name in ("my_generator.py", "my_method.py") for word in ("--plugin", tmp_path / name)]
    settings = small("method.generator=tiny", "method.generator.features=2", "train.steps=1")
    words = ["train", "mine", tiny_world(tmp_path / "world"), "--out", tmp_path / "run", *plugins, *settings]
    code, _, errors = i2i_run(*words, capsys=capsys)
    assert code == 0, errors
    forget_plugins()
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("words", "result"),
    [
        (["train", "--resume", "RUN", "--set", "train.steps=2"], "run/checkpoints/00000002"),
        (["translate", "RUN", "world/testA", "out"], "out/00000.png"),
        (["export", "RUN", "-o", "out.onnx"], "out.onnx"),
        (["evaluate", "RUN/latest", "--metrics", "l1", "--json", "out.json"], "out.json"),
        (["report", "RUN", "-o", "out.html"], "out.html"),
        (["convert", "RUN", "--to", "i2i", "--out", "out.safetensors"], "out.safetensors"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_every_command_finds_the_plugins_of_a_run(
    words: list[str],
    result: str,
    translator: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, errors = i2i_run(*[word.replace("RUN", str(translator)) for word in words], capsys=capsys)
    assert code == 0, errors
    assert (tmp_path / result).exists()


def test_the_next_command_that_training_prints_works_as_it_is_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_method.py").write_text(METHOD)
    words = ["train", "mine", tiny_world(tmp_path / "world"), "--plugin", tmp_path / "my_method.py"]
    settings = small("method.generator.blocks=1", "method.generator.features=2", "train.steps=1")
    code, printed, errors = i2i_run(*words, "--out", tmp_path / "my run", *settings, capsys=capsys)
    assert code == 0, errors
    forget_plugins()
    program, *typed = shlex.split(printed.rpartition("translate a folder with: ")[2])
    places = {"IN": tmp_path / "world/testA", "OUT": tmp_path / "out"}
    code, _, errors = i2i_run(*[places.get(word, word) for word in typed], capsys=capsys)
    assert program == "i2i" and code == 0 and (tmp_path / "out/00000.png").is_file(), errors


def test_samples_come_from_a_run_of_a_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noisy.py").write_text(FROM_NOISE)
    settings = ["method.generator=noisy", "method.size=32", "method.channels=1", "method.discriminator.features=4"]
    words = [
        word
        for text in [*settings, "train.steps=1", "train.batch_size=4", "train.workers=0"]
        for word in ("--set", text)
    ]
    folder = digits(tmp_path / "digits", each=2)
    code, _, errors = i2i_run("train", "dcgan", folder, "--plugin", "noisy.py", "--out", "run", *words, capsys=capsys)
    assert code == 0, errors
    forget_plugins()
    code, _, errors = i2i_run("sample", "run", "out", "--n", "2", capsys=capsys)
    assert code == 0, errors
    assert len(list((tmp_path / "out").rglob("*.png"))) == 2


def test_a_missing_plugin_is_named_in_one_sentence_and_may_lie_elsewhere(
    translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("my_generator.py", "my_method.py"):
        (tmp_path / name).rename(elsewhere / name)
    for words in (["translate", translator, "world/testA", "out"], ["train", "--resume", translator]):
        code, _, errors = i2i_run(*words, capsys=capsys)
        assert code == 1 and len(errors.splitlines()) == 1
        assert "which no longer exists; give it with --plugin" in errors and str(tmp_path / "my_") in errors
        forget_plugins()
    words = ["--plugin", elsewhere / "my_generator.py", "--plugin", elsewhere / "my_method.py"]
    code, _, errors = i2i_run("train", "--resume", translator, "--set", "train.steps=2", *words, capsys=capsys)
    assert code == 0, errors
    assert recipe.load(translator / "recipe.toml").plugins == [
        str(elsewhere / name) for name in ("my_generator.py", "my_method.py")
    ]


def test_a_file_of_weights_never_imports_code(
    translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = checkpoint.find(translator) / "source_to_target.safetensors"
    for file in (weights, shutil.copy(weights, "weights.safetensors")):
        code, _, errors = i2i_run("translate", file, "world/testA", "out", capsys=capsys)
        assert code == 1 and len(errors.splitlines()) == 1
        assert f"generator 'tiny' comes from the plugin {tmp_path / 'my_generator.py'}; give it with" in errors
    assert not [name for name in sys.modules if name.startswith("i2i_plugin_")]
    words = ["--plugin", "my_generator.py"]  # the method's is not needed
    code, _, errors = i2i_run("translate", "weights.safetensors", "world/testA", "out", *words, capsys=capsys)
    assert code == 0, errors


def test_a_recipe_of_ones_own_imports_no_code(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    file = tmp_path / "mine.toml"
    file.write_text(f'plugins = ["{tmp_path / "evil.py"}"]\n[method]\nname = "evil"\n[schedule]\nname = "constant"\n')
    with pytest.raises(ValueError, match=r"method 'evil' comes from the plugin .*evil\.py; give it with --plugin"):
        recipe.load(file)


def test_a_new_process_goes_on_with_a_run_of_plugins(translator: Path) -> None:
    command = [sys.executable, "-m", "i2i", "train", "--resume", str(translator), "--set", "train.steps=2"]
    subprocess.run(command, check=True, capture_output=True)
    assert checkpoint.find(translator).name == "00000002"


def install(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "my_package.py").write_text(code)
    facts = folder / "my_package-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[i2i.plugins]\nmine = my_package\n")
    monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize("code", ["import nothing_of_that_name", "raise SystemExit(3)", "def"])
def test_a_broken_installed_plugin_is_named_and_the_rest_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    install(tmp_path, code, monkeypatch)
    (tmp_path / "good.py").write_text(METHOD)
    with pytest.warns(UserWarning, match="the installed plugin 'mine' of my-package is left out: plugin .*Error|Exit"):
        registry.load_plugins([tmp_path / "good.py"])
    assert "mine" in registry.methods and "resnet" in registry.generators
    error = registry.UnknownName("method", "other", ["cyclegan"])
    assert "method 'other' comes from the installed plugin 'mine': plugin" in str(
        registry.explain_missing(error, ["mine"])
    )


def test_an_installed_plugin_is_remembered_by_its_name_and_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, METHOD, monkeypatch)
    registry.load_plugins()
    given = {"method": {"name": "mine"}, "schedule": {"name": "constant"}}
    for part, name in (("generator", "resnet"), ("discriminator", "patchgan"), ("adversarial", "lsgan")):
        given["method"][part] = {"name": name}  # type: ignore[assignment]
    remembered = recipe.Recipe.parse(given)
    assert remembered.plugins == ["mine"]
    forget_plugins()
    with pytest.raises(ValueError, match="method 'mine' comes from the plugin 'mine', whose package is not installed"):
        recipe.Recipe.parse(remembered.model_dump(mode="json"))


def test_a_method_without_a_recipe_file_starts_from_defaults(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(METHOD)
    registry.load_plugins([tmp_path / "mine.py"])
    chosen, source = recipe.choose("mine", ["a", "b"], ["method.generator=unet", "method.generator.depth=3"])
    assert source == "the defaults of mine"
    assert chosen.method["generator"]["depth"] == 3 and chosen.method["generator"]["features"] == 64
    assert chosen.method["l1_weight"] == 100.0, "of its constructor"
    assert chosen.augment.train["crop"]["size"] == 256 and chosen.train.epochs == 200
    assert chosen.schedule == {"name": "constant"}


def test_a_method_brings_a_recipe_of_its_own(tmp_path: Path) -> None:
    sections = '{"train": {"epochs": 7}, "method": {"l1_weight": 1.0, "generator": {"name": "unet"}}}'
    (tmp_path / "mine.py").write_text(METHOD + f"    default_recipe = {sections}\n")
    registry.load_plugins([tmp_path / "mine.py"])
    chosen, _ = recipe.choose("mine", ["a", "b"])
    assert chosen.train.epochs == 7 and chosen.method["l1_weight"] == 1.0
    assert chosen.method["generator"]["name"] == "unet" and chosen.method["discriminator"]["name"] == "patchgan"
    assert chosen.augment.train == {}


@pytest.mark.parametrize(
    ("code", "line", "said"),
    [
        ("    def training_step(self, batch, update):\n        return batch.nothing\n", 9, "AttributeError: .*nothing"),
        (
            "    def training_step(self, batch, update):\n        update('generatr', l1=batch.source.sum())\n",
            9,
            "did you",
        ),
        ("    def players(self):\n        return 1 / 0\n", 9, "ZeroDivisionError: division by zero"),
        ("    def products(self):\n        raise ValueError('no product')\n", 9, "no product"),
        (
            "    def __init__(self, *, layers: int = 3) -> None:\n        self.layers = layers.size\n",
            9,
            "AttributeError",
        ),
        ("    def __init__(self, layers) -> None:\n        pass\n", 5, "parameter 'layers' must be keyword-only"),
    ],
    ids=["step", "player", "players", "products", "constructor", "signature"],
)
def test_an_error_in_a_plugin_is_one_sentence_with_file_and_line(
    code: str, line: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(METHOD + code)
    settings = small() if "__init__" not in code else []
    words = ["train", "mine", tiny_world(tmp_path / "world"), "--plugin", "mine.py", *settings]
    code_, _, errors = i2i_run(
        *words, "--set", "method.generator=resnet" if settings else "train.steps=1", capsys=capsys
    )
    assert code_ == 1 and len(errors.splitlines()) == 1
    assert re.search(rf"mine\.py, line {line}\)?: .*{said}", errors), errors


def test_an_unknown_component_is_refused_without_a_plugin() -> None:
    with pytest.raises(ValueError, match="unknown generator 'of_nobody'"):
        registry.generators["of_nobody"]
