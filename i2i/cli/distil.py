"""`i2i distil`."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.open_model import Engine, Product, Providers, Threads, open_for_folder
from i2i.cli.train import Device, Plugins, Set
from i2i_runtime.files import printable, shell_word


def distil(
    teacher: Annotated[
        Path,
        typer.Argument(help="What i2i translate takes: a run, a file, a name; or the folder of its outputs of FRAMES."),
    ],
    frames: Annotated[Path, typer.Argument(help="Folder of images, such as those that the student will get.")],
    budget: Annotated[str, typer.Option(help="Time for a frame of a size: 30fps@640x360, or 8ms@512x288.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the run; runs/distil/FRAMES.")] = None,
    real: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of real images of the kind that the outputs are to look like."),
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the budget that a student's p99 leaves free when chosen.")
    ] = 0.3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Time the students, print them, and end.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Students with convolutions in 8 bits, calibrated on the frames.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=0.001, max=3600, help="Time to measure each student for.")] = 3.0,
    overrides: Set = [],  # noqa: B006
    product: Product = None,
    engine: Engine = "auto",
    providers: Providers = "auto",
    threads: Threads = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make the teacher's pairs again.")] = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Train a small network that does what a slow one does, in a promised time: i2i distil runs/cut/a-b/latest frames/
    --budget 30fps@640x360.

    Students from large to small are timed in the engine that will run them, here, and the largest that keeps the budget
    is trained on what the teacher makes of the frames, exported, and timed again. The same command goes on after a
    break. --dry-run shows the students and their times.
    """
    from i2i import registry
    from i2i.cli.progress import TrainingLine, stop_on_signals
    from i2i.distillation.budget import Budget
    from i2i.distillation.record import STUDENT
    from i2i.distillation.teacher import is_outputs, teacher_of_model, teacher_of_outputs
    from i2i.distillation.timing import EngineChoice, choose
    from i2i.distillation.work import Work, show_ladder
    from i2i.distillation.work import distil as run_distillation
    from i2i.training.context import Interrupted

    promised = Budget.parse(budget)
    for folder in filter(None, (frames, real)):
        if not folder.is_dir():
            raise ValueError(f"{printable(folder)}: no such folder")
    registry.load_plugins(plugins)
    run = out or Path("runs") / "distil" / frames.resolve().name
    with stop_on_signals() as sent, TrainingLine() as line:
        if is_outputs(teacher):
            taught = teacher_of_outputs(teacher, frames)
        else:
            model, workers = open_for_folder(
                teacher,
                product=product,
                test_time=None,
                engine="auto",
                providers="auto",
                device=device if teacher.suffix != ".onnx" else "auto",
                workers=None,
                line=line,
            )
            taught = teacher_of_model(teacher, model, run, workers=workers)
        work = Work(
            teacher=taught,
            frames=frames,
            run=run,
            budget=promised,
            line=line,
            real=real,
            margin=margin,
            engine=EngineChoice(engine, tuple(providers.split(",")), threads),
            int8=int8,
            seconds=seconds,
            overrides=overrides,
            overwrite=overwrite,
            device=device,
            stop=sent,
        )
        if dry_run:
            choose(show_ladder(work), promised, margin)
            return 0
        try:
            kept = run_distillation(work)
        except Interrupted:
            line.notify(f"stopped; the same command goes on in {printable(run)}")
            return 128 + (sent.signal or signal.SIGTERM)
        line.notify(f"i2i stream {shell_word(run / STUDENT)} --size {promised.size}")
    return 0 if kept else 3
