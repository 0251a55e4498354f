"""`i2i anomaly`."""

import csv
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.invert import Likeliest, Restarts, Source, Steps, Stopped, count_steps, notify_failed
from i2i.cli.sample import Batch, Model
from i2i.cli.train import Device, Plugins
from i2i_runtime.files import check_output, write_atomically

Row = tuple[str, float, float, float]


def anomaly(
    model: Model,
    source: Source,
    out: Annotated[Path, typer.Argument(help="File for the scores, .csv.")],
    maps: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for pictures: image, reconstruction, heat map."),
    ] = None,
    weight: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the discriminator's features in a score.")
    ] = 0.1,
    steps: Steps = 200,
    restarts: Restarts = 2,
    label: Likeliest = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the starting points.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, and other pictures in --maps.")] = False,
    batch: Batch = 8,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Score images by how unlike the training images they are: i2i anomaly runs/dcgan/parts/latest photos/ scores.csv.

    The score is the distance to the nearest image of the generator, in pixels (residual) and in the discriminator's
    features (feature). Images that can't be read are left out and listed at the end.
    """
    from i2i import registry
    from i2i.checkpoints.card import checksum
    from i2i.cli.progress import ProgressLine, stop_on_signals
    from i2i.latent import anomaly as scoring
    from i2i.latent.invert_files import check_apart, find_images, read_batches
    from i2i_runtime.folder.samples import claim

    registry.load_plugins(plugins)
    if maps is not None:
        check_apart(source, maps)
    check_output(out, ".csv", overwrite=overwrite)
    failed: list[str] = []
    rows: list[Row] = []
    with stop_on_signals() as stop, ProgressLine() as line:
        scorer = scoring.load(model, device=device, weight=weight, steps=steps, restarts=restarts)
        root, names = find_images(source)
        if maps is not None:
            facts = {
                "weights": checksum(scorer.generator),
                "weight": weight,
                "steps": steps,
                "restarts": restarts,
                "seed": seed,
            }
            claim(maps, [name.with_suffix(".png") for name in names], {**facts, "label": label}, overwrite=overwrite)
        progress = count_steps(line, stop, math.ceil(len(names) / batch))
        with suppress(Stopped):
            for some, images in read_batches(scorer.generator, root, names, batch=batch, failed=failed):
                found = scorer(images, seed=seed, label=label, progress=progress)
                measures = zip(found.score.tolist(), found.residual.tolist(), found.feature.tolist(), strict=True)
                rows += [(name.as_posix(), *each) for name, each in zip(some, measures, strict=True)]
                _write(out, rows)  # after each batch, so that nothing is lost when the program is killed
                if maps is not None:
                    scoring.write_maps(maps, some, images, found, scorer.generator.value_range)
        worst = max(rows, key=lambda row: row[1], default=None)
        line.notify(f"{out}: {len(rows)} scores" + (f", highest {worst[1]:.3g} of {worst[0]}" if worst else ""))
        notify_failed(line, failed)
    return stop.exit_code(3 if failed else 0)


def _write(out: Path, rows: Sequence[Row]) -> None:
    with write_atomically(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "score", "residual", "feature"])
        writer.writerows((name, *(f"{value:.6g}" for value in values)) for name, *values in rows)
