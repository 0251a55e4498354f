"""`i2i directions`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from i2i.cli.sample import Label, Model, Truncation
from i2i.cli.train import Device, Plugins

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from i2i.latent.sampler import Sampler

# As in i2i.latent.directions, which imports torch.
By = Literal["sefa", "pca"]
LayersOption = Annotated[
    str | None,
    typer.Option(
        "--layers", metavar="A-B", help="Layers of w+, such as 0,4-8; the first are coarse.", show_default="all"
    ),
]
_SHEET = "directions.png"
_STRENGTHS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


def directions(
    model: Model,
    out: Annotated[Path, typer.Argument(help="Folder for direction-1.npy and so on, and a sheet of them.")],
    number: Annotated[int, typer.Option("--n", min=1, max=10**4, help="How many.")] = 10,
    by: Annotated[
        By,
        typer.Option(help="sefa: of the weights that take w first; pca: of mapped latents, for a network that maps."),
    ] = "sefa",
    layers: LayersOption = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the sample on the sheet.")] = 0,
    label: Label = None,
    truncation: Truncation = 0.7,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write again files that exist.")] = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Find what a latent space can change: i2i directions runs/stylegan2/faces/latest directions/ --n 10.

    A direction is as long as one standard deviation of w along it, so --strength 2 of i2i edit is plain to see. The
    sheet has a row for each, and columns from -3 to 3.
    """
    from i2i import registry
    from i2i.checkpoints.card import checksum
    from i2i.cli.progress import ProgressLine
    from i2i.latent import sampler as sampling
    from i2i.latent.directions import find_directions, write_direction
    from i2i.latent.edit import parse_layers
    from i2i.latent.space import layers_of
    from i2i_runtime import images
    from i2i_runtime.folder.samples import claim

    registry.load_plugins(plugins)
    with ProgressLine() as line:
        sampler = sampling.load(model, device=device)
        chosen = parse_layers(layers, layers_of(sampler.generator)) if layers else []
        found = find_directions(sampler.generator, number, by=by, layers=chosen)
        names = [Path(f"direction-{at + 1}.npy") for at in range(number)]
        facts = {"weights": checksum(sampler.generator), "by": by, "layers": chosen}
        claim(out, [*names, Path(_SHEET)], facts, overwrite=overwrite)
        for name, direction in zip(names, found, strict=True):
            write_direction(out / name, direction)
        images.write(out / _SHEET, _sheet(sampler, found, seed, label, truncation))
        line.notify(f"{out}: {number} directions; {out / _SHEET} shows them, one in each row (on {sampler.device})")


def _sheet(sampler: "Sampler", found: "Tensor", seed: int, label: int | None, truncation: float) -> "NDArray[np.uint8]":
    from i2i.latent.edit import move, pictures
    from i2i.latent.latent_file import of_seeds
    from i2i.latent.sheet import titled_sheet

    (start,) = of_seeds(sampler, [seed], sampler.labels_of([seed], label), truncation=truncation)
    rows = [pictures(sampler, [move(sampler, start, each, strength) for strength in _STRENGTHS]) for each in found]
    return titled_sheet([f"{strength:+g}" for strength in _STRENGTHS], rows)
