"""`i2i train`."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from i2i_runtime.files import shell_word

Set = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="A.B=C",
        help="Set one value of the recipe; repeatable. train.size=128 sets all sizes of images. A step of "
        "augment.train or augment.test takes the place of the one of its role (size, crop, flip): `i2i show` prints "
        "the order.",
    ),
]
Plugins = Annotated[list[Path], typer.Option("--plugin", help="Python file that registers components; repeatable.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]


def train(
    method: Annotated[
        str | None, typer.Argument(help="Method, listed recipe, or recipe file (.toml).", show_default=False)
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="A known data set, one folder, two, or a list file of pairs; data.layout and data.suffixes settle "
            "what is ambiguous.",
            show_default=False,
        ),
    ] = None,
    overrides: Set = [],  # noqa: B006 (the command line's own idiom)
    conditional: Annotated[
        bool, typer.Option("--conditional", help="Condition on classes: one folder of images for each.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/METHOD/DATA by default.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Resume this run or checkpoint.")] = None,
    device: Device = "auto",
    processes: Annotated[
        int,
        typer.Option(
            min=0, max=1024, help="GPUs (or CPU processes) that share every batch; 0: all GPUs of this machine."
        ),
    ] = 1,
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Train a method on images: i2i train cyclegan horse2zebra."""
    from i2i import recipe, registry
    from i2i.cli import launch
    from i2i.cli.progress import TrainingLine, stop_on_signals
    from i2i.training import run
    from i2i.training.context import Interrupted

    if processes != 1 and not launch.is_launched():
        return launch.launch(processes, sys.argv[1:])
    silent, is_orphan = not launch.is_main(), launch.watch_launcher()
    with launch.errors_left_to_launcher(), stop_on_signals(quiet=silent) as sent, TrainingLine(silent=silent) as line:

        def stop() -> bool:
            return sent() or is_orphan()

        registry.load_plugins(plugins)
        try:
            if resume is not None:
                if method or data or out or conditional:
                    raise ValueError(
                        "--resume takes its recipe, data and folder from the run; only --set may stand beside it"
                    )
                folder = run.resume(resume, overrides, reporter=line, device=device, stop=stop)
            else:
                if method is None:
                    raise ValueError("name a method and its data, for example: i2i train cyclegan horse2zebra")
                chosen, source = recipe.choose(method, data or [], overrides)
                line.notify(f"recipe: {source}")
                if conditional:
                    chosen = run.with_classes(chosen)
                out = out or run.default_folder(chosen, method)
                folder = run.train(chosen, out, reporter=line, device=device, stop=stop)
        except Interrupted as interrupted:
            line.notify(f"stopped; go on with: i2i train --resume {shell_word(Path(str(interrupted)))}")
            return 128 + (sent.signal or signal.SIGTERM)  # which another of several processes was sent
    line.notify(f"done: {folder}\n{run.next_command(folder)}")
    return 0
