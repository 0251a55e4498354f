"""`i2i demo`."""

from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.train import Device, Set


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
            line.notify(f"stopped; go on with: i2i train --resume {interrupted}")
            return stop.exit_code()
    print(f"open {page.resolve()}")
    return 0
