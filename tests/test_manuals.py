"""Every command that a manual shows is one that the program takes: its name, options and arguments are parsed."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from i2i.cli import app

ROOT = Path(__file__).parents[1]
MANUALS = sorted(
    file
    for file in (*ROOT.glob("*.md"), *ROOT.glob("*/**/README.md"))
    if not any(part.startswith(".") or part == "node_modules" for part in file.relative_to(ROOT).parts)
)


def blocks(text: str) -> list[str]:
    """Commands of the code blocks, without comments; continued lines joined, lists and pipes taken apart."""
    code = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    lines = [re.sub(r"(^|\s)#.*", "", line) for line in code.splitlines()]
    parts = [part.strip() for line in lines for part in re.split(r"[;|]|&&", line)]
    return [part for part in parts if re.match(r"i2i [a-z]", part) and "…" not in part]


def mentions(text: str) -> list[str]:
    """Commands that stand within a line of text or a table; they may lack their arguments."""
    return re.findall(r"`(i2i [a-z][^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def parse(line: str, *, is_mention: bool = False) -> None:
    """Parse one command line as the program does, without running it. Raises what the parser raises."""
    command: Any = get_command(app)
    words = shlex.split(line.replace("...", ""))[1:]
    while hasattr(command, "commands") and words:
        group = command.make_context(command.name, words)
        _, command, words = command.resolve_command(group, [*group._protected_args, *group.args])
    try:
        command.make_context(command.name, words)
    except Exception as error:
        incomplete = ("MissingParameter", "NoArgsIsHelpError", "BadOptionUsage", "Exit")
        if not (is_mention and type(error).__name__ in incomplete):
            raise


def faults(text: str) -> list[str]:
    """A sentence for each command that the program does not take."""
    found = []
    for line, is_mention in [*((line, False) for line in blocks(text)), *((line, True) for line in mentions(text))]:
        try:
            parse(line, is_mention=is_mention)
        except Exception as error:
            found.append(f"{line}: {type(error).__name__} {getattr(error, 'message', error)}")
    return found


@pytest.mark.parametrize("manual", MANUALS, ids=lambda file: str(file.relative_to(ROOT)))
def test_commands_of_a_manual_are_taken(manual: Path) -> None:
    assert faults(manual.read_text(encoding="utf-8")) == []


def test_the_manuals_show_commands() -> None:
    assert sum(len(blocks(manual.read_text(encoding="utf-8"))) for manual in MANUALS) > 60


@pytest.mark.parametrize("line", ["i2i translate a b --outscal 2", "i2i upscale a b", "i2i translate a"])
def test_a_wrong_command_in_a_manual_is_found(line: str) -> None:
    assert len(faults(f"```sh\n{line}\n```\n")) == 1


def test_the_first_page_stays_a_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("manual", MANUALS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_between_manuals_lead_somewhere(manual: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", manual.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (manual.parent / link).exists()] == []
