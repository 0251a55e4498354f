"""`i2i mix`."""

from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.latents import latents_of
from i2i.cli.sample import Batch, Label, Model, Truncation
from i2i.cli.train import Device, Plugins
from i2i_runtime.files import check_output

Points = Annotated[str, typer.Option(metavar="SEEDS", help="Seeds, or files of latents, with commas between.")]


def mix(
    model: Model,
    out: Annotated[Path, typer.Argument(help="File for the sheet, .png.")],
    rows: Points = "0,1,2,3",
    columns: Points = "4,5,6,7,8",
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="A-B", help="Layers that the column gives; the first are coarse.", show_default="the second half"
        ),
    ] = None,
    label: Label = None,
    truncation: Truncation = 1.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    batch: Batch = 16,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Mix the styles of samples: i2i mix runs/stylegan2/faces/latest mix.png --rows 0,1,2 --columns 3,4 --layers 0-3.

    The first column and the first row are the samples themselves; between them are those of the rows with some layers
    of the columns'.
    """
    from i2i import registry
    from i2i.cli.progress import ProgressLine
    from i2i.latent import sampler as sampling
    from i2i.latent.edit import mixing_sheet, parse_layers
    from i2i.latent.space import layers_of
    from i2i_runtime import images

    registry.load_plugins(plugins)
    check_output(out, ".png", overwrite=overwrite)
    with ProgressLine() as line:
        sampler = sampling.load(model, device=device)
        number = layers_of(sampler.generator)
        chosen = parse_layers(layers, number) if layers else range(number // 2, number)
        sources, others = (
            latents_of(sampler, words.split(","), [label] * len(words.split(",")), truncation=truncation)
            for words in (rows, columns)
        )
        images.write(out, mixing_sheet(sampler, sources, others, chosen, batch=batch))
        line.notify(f"{out}: layers {chosen[0]} to {chosen[-1]} of {number} are the columns' (on {sampler.device})")
