"""Names to components, and where they may come from."""

from pathlib import Path

import pytest

from i2i.registry import Registry, did_you_mean, generators, load_plugins, schedules


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown generator 'restnet'; did you mean 'resnet'") as error:
        generators["restnet"]
    assert "unet" in str(error.value)


def test_no_hint_where_nothing_is_near() -> None:
    assert "did you mean" not in did_you_mean("xyz", ["unet", "resnet"])


def test_a_name_is_given_once() -> None:
    parts = Registry("part", "i2i")
    parts.register("one")(int)
    parts.register("one")(int)
    with pytest.raises(ValueError, match="'one' is registered already"):
        parts.register("one")(str)


def test_a_plugin_file_registers_components(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from i2i.registry import schedules\n"
        "@schedules.register('mine')\n"
        "class Mine:\n    def __call__(self, step: int, steps: int) -> float:\n        return 0.5\n"
    )
    load_plugins([file])
    load_plugins([file])  # a second time changes nothing
    assert "mine" in schedules and schedules.plugin_of("mine") == str(file)
    assert schedules.plugin_of("linear") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nimport nothing_of_that_name", r"bad\.py, line 2: ModuleNotFoundError: .*nothing_of_that_name"),
        ("1 / 0", r"bad\.py, line 1: ZeroDivisionError"),
        ("def\n", r"SyntaxError: .*bad\.py, line 1"),
    ],
)
def test_a_broken_plugin_is_one_sentence_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(ValueError, match=said):
        load_plugins([tmp_path / "bad.py"])


def test_a_missing_plugin_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        load_plugins([tmp_path / "gone.py"])
