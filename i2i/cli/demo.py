"""`i2i demo`."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.train import Device, Set
from i2i_runtime.files import shell_word


def demo(
    out: Annotated[Path, typer.Argument(help="Folder for the world, the run and the page.")] = Path("demo"),
    overrides: Set = [],  # noqa: B006
    device: Device = "auto",
) -> int:
    """Demonstrate training, translation and measurement in five minutes.

    A small CycleGAN is trained without pairs on the built-in world; its results stand beside the truth.
    """
    from i2i.cli.progress import TrainingLine, stop_on_signals
    from i2i.demo import run_demo
    from i2i.training.context import Interrupted

    with stop_on_signals() as stop, TrainingLine() as line:
        try:
            page = run_demo(out, overrides, reporter=line, device=device, stop=stop)
        except Interrupted as interrupted:
            line.notify(f"stopped; go on with: i2i train --resume {shell_word(Path(str(interrupted)))}")
            return stop.exit_code()
    print(f"open {page.resolve()}\n{_next_commands(out)}")
    return 0


def _next_commands(out: Path) -> str:
    """Three commands to try, with the program as it can be called: it may not be on PATH, as after `make demo`."""
    called, found = Path(sys.argv[0]), shutil.which("i2i")
    on_path = called.name != "i2i" or (found is not None and Path(found).resolve() == called.resolve())
    program, activate = "i2i" if on_path else shell_word(called), called.parent / "activate"
    folders = " ".join(shell_word(out / name) for name in ("run/latest", "world/testB", "simulated"))
    commands = (
        f"translate {folders} --product b_to_a",
        "train cyclegan FOLDER_A FOLDER_B --set train.epochs=20",
        "list recipes",
    )
    hint = f"then, or after `. {activate}` as i2i" if not on_path and activate.is_file() else "then"
    return "\n".join([f"{hint}:", *(f"  {program} {command}" for command in commands)])
