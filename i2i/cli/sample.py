"""`i2i sample`."""

from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.open_model import open_sampler
from i2i.cli.train import Device, Plugins
from i2i_runtime.files import check_output

Model = Annotated[Path, typer.Argument(help="A run, a checkpoint, or a file of weights: of a generator from noise.")]
Label = Annotated[
    int | None, typer.Option("--class", min=0, max=10**6, help="Number of the class.", show_default="all in turn")
]
Truncation = Annotated[
    float, typer.Option(min=0, max=1, help="From 0, all typical and alike, to 1, all the variety there is.")
]
Batch = Annotated[int, typer.Option(min=1, max=4096, help="Batch size of the network.")]


def sample(
    model: Model,
    out: Annotated[Path, typer.Argument(help="Folder for the samples; with --grid a .png.")],
    number: Annotated[int, typer.Option("--n", min=1, max=10**9, help="How many.")] = 64,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Seed of the first sample; the others have the next ones.")
    ] = 0,
    label: Label = None,
    truncation: Truncation = 1.0,
    grid: Annotated[bool, typer.Option("--grid", help="All samples in one picture.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write again files that exist.")] = False,
    batch: Batch = 16,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Generate images from noise: i2i sample runs/dcgan/faces/latest faces/ --n 5000.

    Files are named by their seed, which always gives the same image; with classes each has a folder. The command goes
    on where it was stopped.
    """
    from i2i import registry
    from i2i.cli.progress import ProgressLine, stop_on_signals
    from i2i.latent.sheet import sample_sheet
    from i2i_runtime import images
    from i2i_runtime.folder.samples import sample_folder
    from i2i_runtime.interrupt import PATIENCE, ending_calls

    registry.load_plugins(plugins)
    if grid:
        check_output(out, ".png", overwrite=overwrite)
    elif out.suffix.lower() == ".png":
        raise ValueError(f"{out}: samples go into a folder; with --grid they are one .png")
    with ProgressLine() as line:
        sampler, seeds = open_sampler(model, device=device), range(seed, seed + number)
        where = f"{sampler.engine} {sampler.provider}"
        count = line.count("samples")
        if grid:
            sheet = sample_sheet(sampler, seeds, label=label, truncation=truncation, batch=batch, progress=count)
            images.write(out, sheet)
            line.notify(f"{out} (seeds {seeds[0]} to {seeds[-1]}, on {where})")
            return 0
        with stop_on_signals() as stop, ending_calls(patience=PATIENCE):
            counts = sample_folder(
                sampler,
                out,
                seeds,
                label=label,
                truncation=truncation,
                batch=batch,
                overwrite=overwrite,
                progress=count,
                stop=stop,
            )
        line.notify(f"{out}: {counts.written} written, {counts.existing} there already, on {where}")
    return stop.exit_code()
