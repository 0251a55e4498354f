"""Every number that the command line takes has a range, by which a slip is refused before anything is read."""

import typing
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from i2i.cli import app
from tests.cli.test_cli import i2i_run


def commands(command: Any, name: str = "i2i") -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from commands(inner, f"{name} {word}")


def is_number(annotation: Any) -> bool:
    """True for int, float, a list of them, and one that may be missing; not for a choice of words."""
    if typing.get_origin(annotation) is typing.Literal:
        return False
    return annotation in (int, float) or any(map(is_number, typing.get_args(annotation)))


NUMBERS = {
    f"{name} {parameter.opts[0]}": parameter
    for name, command in commands(get_command(app))
    for parameter in command.params
    if is_number(parameter.type_descriptor.annotation)
}


def test_numbers_of_all_commands_are_found() -> None:
    for name in ("i2i train --processes", "i2i walk --frames", "i2i translate --outscale", "i2i data make --n"):
        assert name in NUMBERS
    assert len(NUMBERS) >= 45 and "i2i export --io" not in NUMBERS


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_a_range_that_its_default_lies_in(name: str) -> None:
    number = NUMBERS[name]
    assert number.min is not None and number.max is not None, f"{name} has no min or no max"
    given = number.default
    defaults = given if isinstance(given, list) else [] if given is None else [given]
    assert all(number.min <= each <= number.max for each in defaults)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["data", "make", "sim2real", "out", "--n", "0"], "'--n': allowed: from 1"),
        (["data", "tile", "in", "out", "--step", "-3"], "'--step': allowed: from 1"),
        (["translate", "x.onnx", "in", "out", "--batch", "1000000"], "'--batch': allowed: up to 4096"),
        (["train", "cyclegan", "a", "--processes", "99999999"], "'--processes': allowed: up to 1024"),
        (["bench", "x.onnx", "--seconds", "nan"], "'--seconds'"),
        (["sample", "run", "out", "--seed", str(2**63)], "'--seed': allowed: up to 9223372036854775807"),
    ],
)
def test_a_number_beyond_its_range_is_refused_in_a_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, errors = i2i_run(*words, capsys=capsys)
    assert code != 0 and sentence in errors and errors.count("\n") == 1
