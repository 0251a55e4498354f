"""`i2i edit`."""

import math
from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.directions import LayersOption
from i2i.cli.invert import Space, Steps, invert
from i2i.cli.latents import is_seed, latents_of
from i2i.cli.sample import Batch, Label, Model, Truncation
from i2i.cli.train import Device, Plugins

_INVERTED = "inverted"  # folder of the latents of images, in that of the edits


def edit(
    model: Model,
    source: Annotated[
        str,
        typer.Argument(help="An image, a latent (.safetensors), a folder of either, or seeds with commas between."),
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the edited images and their latents.")],
    direction: Annotated[
        Path, typer.Option(help="A direction in w (.npy), such as i2i directions finds.", show_default=False)
    ],
    strength: Annotated[
        str, typer.Option(metavar="A,B", help="How far, in lengths of the direction; several with commas between.")
    ] = "-2,-1,0,1,2",
    layers: LayersOption = None,
    space: Annotated[
        Space | None, typer.Option(help="Of the latents of images.", show_default="w+ where there is one, else w")
    ] = None,
    steps: Steps = 300,
    label: Label = None,
    truncation: Truncation = 1.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write again files that exist.")] = False,
    batch: Batch = 8,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Change images along a direction: i2i edit RUN/latest face.png out/ --direction smile.npy --strength 2.

    face.png gives face+2.png and face+2.safetensors, its latent, for each strength, and face-sheet.png. Images are
    inverted first, into OUT/inverted, as i2i invert does; for other options invert them yourself and name the latents.
    """
    from i2i import registry
    from i2i.checkpoints.card import checksum
    from i2i.cli.progress import ProgressLine, stop_on_signals
    from i2i.latent import sampler as sampling
    from i2i.latent.directions import read_direction
    from i2i.latent.edit import parse_layers
    from i2i.latent.edit_files import edit_files, find_latents, results_of
    from i2i.latent.space import layers_of
    from i2i_runtime.folder.samples import claim

    registry.load_plugins(plugins)
    strengths, seeds, root, failed = _parse_strengths(strength), _seeds(source), Path(source), 0
    sampler = sampling.load(model, device=device)
    has_layers = layers_of(sampler.generator)
    along = read_direction(direction, sampler.generator)
    chosen = parse_layers(layers, has_layers) if layers else []
    if not seeds and not find_latents(root)[1]:
        where = space or ("w+" if has_layers else "w")
        failed = invert(
            model,
            root,
            out / _INVERTED,
            where,
            steps,
            label=label,
            overwrite=overwrite,
            batch=batch,
            device=device,
            plugins=plugins,
        )
        if failed not in (0, 3):
            return failed
        root = out / _INVERTED
    root, names = (root, [Path(f"seed{int(seed):04d}") for seed in seeds]) if seeds else find_latents(root)
    facts = {"weights": checksum(sampler.generator), "direction": along.flatten().tolist(), "layers": chosen}
    # The folder of inverted images is this command's own, whatever the direction.
    claim(out, [file for name in names for file in results_of(name, strengths)], facts, overwrite=overwrite)
    written = there = 0
    with stop_on_signals() as stop, ProgressLine() as line:
        count = line.count("edited")
        words = seeds or [str(root / name) for name in names]
        latents = latents_of(sampler, words, [label] * len(words), truncation=truncation)
        pairs = zip(names, latents, strict=True)
        for _, is_new in edit_files(sampler, pairs, out, along, strengths, layers=chosen, overwrite=overwrite):
            written, there = written + is_new, there + (not is_new)
            count(written + there, len(names))
            if stop():
                break
        line.notify(f"{out}: {written} edited by {strength}, {there} there already, on {sampler.device}")
    return stop.exit_code(failed)


def _parse_strengths(words: str) -> list[float]:
    try:
        strengths = [float(word) for word in words.split(",")]
    except ValueError:
        strengths = [math.nan]
    if not all(map(math.isfinite, strengths)):
        raise ValueError(f"--strength {words}: allowed: numbers with commas between, such as -2,0,2")
    return list(dict.fromkeys(strengths))


def _seeds(source: str) -> list[str]:
    """The words of seeds with commas between; none for the name of a file or folder."""
    words = source.split(",")
    return words if not Path(source).exists() and all(map(is_seed, words)) else []
