"""The package as a distribution of its own: complete, without torch, and at peace with what is installed beside it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

import i2i_runtime
from i2i_runtime import images
from i2i_runtime.engines import conflicts as installed
from tests.runtime.engines.test_onnxruntime import write

ROOT = Path(__file__).parents[2]
EXPORT = ROOT / "export"
in_checkout = pytest.mark.skipif(not (EXPORT / "pyproject.toml").is_file(), reason="not in a checkout")


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


@in_checkout
def test_both_distributions_have_the_same_version_and_compatible_requirements() -> None:
    whole, alone = project(ROOT), project(EXPORT)
    assert (
        whole["version"] == alone["version"] == i2i_runtime.__version__
        and whole["requires-python"] == alone["requires-python"]
    )
    assert set(alone["dependencies"]) <= set(whole["dependencies"])
    assert not any("onnxruntime" in each for each in alone["dependencies"]), (
        "it is an extra: two wheels overwrite each other"
    )


@in_checkout
def test_no_hint_installs_the_package_that_is_called_i2i_on_the_index() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    own = Path(__file__).relative_to(ROOT)
    strange = re.compile(r"pip install (-\S+ )*['\"]?i2i(-runtime)?(?![\w-])|['\"`]i2i(-runtime)?\[")
    found = [
        f"{name}: {match[0]}"
        for name in map(Path, listed.splitlines())
        if name != own and (ROOT / name).is_file() and name.suffix in (".py", ".md", ".toml", ".html", ".js", "")
        for match in strange.finditer((ROOT / name).read_text())
    ]
    assert found == []
    assert strange.search("pip install 'i2i[fid]'") and strange.search("pip install i2i")
    assert (project(ROOT)["name"], project(EXPORT)["name"]) == ("i2i-toolkit", "i2i-toolkit-runtime")
    (dev,) = (each for each in project(ROOT)["optional-dependencies"]["dev"] if each.startswith("i2i"))
    assert dev.startswith("i2i-toolkit["), "the project's own extras"


@in_checkout
def test_every_extra_has_its_distribution_in_hints() -> None:
    from i2i.extras import EXTRAS

    written = project(ROOT)["optional-dependencies"]
    assert {name: re.split("[=><[]", written[name][0])[0] for name in written if name != "dev"} == EXTRAS


# Every import of torch or i2i fails, as it does where they are not installed.
BARE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "i2i"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from i2i_runtime import cli
sys.argv[0] = "i2i-runtime"
cli.main()
"""


def test_a_folder_is_translated_where_torch_and_i2i_cannot_be_imported(tmp_path: Path) -> None:
    model = write(tmp_path / "blur.onnx")
    images.write(tmp_path / "a.png", np.full((6, 7, 3), 90, np.uint8))
    command = [sys.executable, "-c", BARE, "translate", model, tmp_path / "a.png", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert images.read(tmp_path / "out" / "a.png").shape == (12, 14, 3)


def versions(monkeypatch: pytest.MonkeyPatch, **there: str) -> None:
    def version(name: str) -> str:
        if name.replace("-", "_") not in there:
            raise PackageNotFoundError(name)
        return there[name.replace("-", "_")]

    monkeypatch.setattr(installed, "version", version)


@pytest.mark.parametrize(
    "there",
    [
        {},
        {"i2i_toolkit": "1.0"},
        {"i2i_toolkit_runtime": "1.0"},
        {"i2i_toolkit": "1.0", "i2i_toolkit_runtime": "1.0"},
        {"onnxruntime_gpu": "1.31"},
    ],
    ids=str,
)
def test_one_of_a_kind_or_the_same_version_twice_is_fine(
    monkeypatch: pytest.MonkeyPatch, there: dict[str, str]
) -> None:
    versions(monkeypatch, **there)
    assert installed.conflicts() == []


def test_two_versions_of_the_runtime_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, i2i_toolkit="1.1", i2i_toolkit_runtime="1.0", onnxruntime="1.31")
    (sentence,) = installed.conflicts()
    assert sentence.startswith("i2i-toolkit 1.1 and i2i-toolkit-runtime 1.0 are both installed")
    assert "pip uninstall" in sentence


def test_both_wheels_of_onnx_runtime_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, onnxruntime="1.31", onnxruntime_gpu="1.31")
    (sentence,) = installed.conflicts()
    assert sentence.startswith("onnxruntime and onnxruntime-gpu are both installed") and "pip uninstall" in sentence


def needing_torch(folder: str, names: list[str]) -> list[str]:
    """The files that compare with the generators themselves, or export one first."""
    texts = {name: Path(folder, name).read_text() for name in names if name.endswith(".py")}
    return [name for name, text in texts.items() if re.search(r"^(from|import) (torch|i2i)\b(?!_)", text, re.MULTILINE)]


@pytest.mark.slow
@in_checkout
def test_the_wheel_runs_and_passes_these_tests_in_a_fresh_environment_without_torch(tmp_path: Path) -> None:
    def run(*words: str | Path) -> str:
        # Nothing of this checkout must be found there.
        bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=bare)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shutil.copytree(EXPORT, tmp_path / "source", ignore=shutil.ignore_patterns("web", "node_modules", "__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", "wheels", tmp_path / "source")
    (wheel,) = tmp_path.glob("wheels/i2i_toolkit_runtime-*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", f"{wheel}[cpu]", "pytest", "onnx")
    missing = "import importlib.util as u; assert not any(map(u.find_spec, ('torch', 'i2i')))"
    run(scripts / "python", "-c", missing)

    model = write(tmp_path / "blur.onnx")
    (tmp_path / "in").mkdir()
    images.write(tmp_path / "in" / "a.png", np.full((6, 7, 3), 90, np.uint8))
    assert "scale          2" in run(scripts / "i2i-runtime", "info", model)
    assert "1 translated" in run(scripts / "i2i-runtime", "translate", model, "in", "out")

    shutil.copytree(ROOT / "tests" / "runtime", tmp_path / "tests" / "runtime", ignore=needing_torch)
    shutil.copytree(ROOT / "tests" / "fixtures", tmp_path / "tests" / "fixtures")
    copied = {path.stem.removeprefix("test_") for path in tmp_path.rglob("tests/runtime/**/test_*.py")}
    assert copied >= {"card", "cli", "decode", "encode", "folder", "manifest", "onnxruntime", "stream", "tiles"}
    (tmp_path / "tests" / "__init__.py").touch()
    printed = run(scripts / "python", "-m", "pytest", "-q", "-rs", "-m", "not slow", "-W", "ignore", "tests")
    assert " passed" in printed
