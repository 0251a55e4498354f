"""Command `i2i evaluate probe`."""

from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.train import Device, Plugins
from i2i_runtime.files import check_output


def probe(
    run: Annotated[Path, typer.Argument(help="A run whose discriminator gives features, such as one of dcgan.")],
    data: Annotated[Path, typer.Argument(help="Images with classes: one folder each.")],
    json: Annotated[
        Path | None, typer.Option("--json", help="Write all of it to this file.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace that file.")] = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Measure what a discriminator has learned of classes: i2i evaluate probe runs/dcgan/photos digits/.

    A linear classifier learns from its features of four of five images of each class, and is tested on the fifth;
    beside it, one that learns from the pixels.
    """
    from i2i import evaluate, registry
    from i2i.checkpoints.load import load_latent
    from i2i.cli.evaluate import print_result
    from i2i.cli.progress import ProgressLine
    from i2i.devices import choose_device
    from i2i.evaluate.probe import probe as measure
    from i2i.evaluate.result import write_json
    from i2i.latent.anomaly import load_discriminator
    from i2i.latent.discriminator_features import Pixels, PooledFeatures

    registry.load_plugins(plugins)
    if json is not None:
        check_output(json, ".json", option="--json", overwrite=overwrite)
    with ProgressLine() as line:
        generator, facts = load_latent(run)
        size, value_range = generator.size, generator.value_range
        features = PooledFeatures(
            load_discriminator(run), size=size, value_range=value_range, device=str(choose_device(device))
        )
        instruments = evaluate.Instruments(progress=line.count)
        result = measure([features, Pixels(size=size)], data, instruments)
        result.facts = {"run": str(run), "step": int(facts.get("step", 0)), "data": str(data)}
        if json is not None:
            write_json(result, json)
        return print_result(result, line)
