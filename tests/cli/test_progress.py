"""Progress on a terminal, and what the demonstration says at its end."""

import sys
from pathlib import Path

import pytest

from i2i.cli.demo import _next_commands
from i2i.cli.progress import TrainingLine
from i2i.training.reporter import Progress


def test_all_losses_are_seen_at_80_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {"TTY_COMPATIBLE": "1", "COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    losses = {f"generators.loss_{number}": float(number) for number in range(10)}
    with TrainingLine() as line:
        line.progress(Progress(1, 100, 1, 1.0, lambda: losses))
    printed = capsys.readouterr().out
    assert "\x1b[" in printed, "a terminal"
    assert all(f"loss_{number} {number}" in " ".join(printed.split()) for number in range(10))
    assert max(map(len, printed.splitlines())) < 100


def test_the_demonstration_ends_with_commands_that_can_be_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / ".venv/bin/i2i"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", "/nowhere")
    lines = _next_commands(Path("demo")).splitlines()
    assert len(lines) == 4 and all(line.startswith(f"  {program} ") for line in lines[1:])
    monkeypatch.setenv("PATH", str(program.parent))
    assert [line.split()[0] for line in _next_commands(Path("demo")).splitlines()[1:]] == ["i2i"] * 3
