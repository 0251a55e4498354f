"""Command `i2i evaluate separability`."""

from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.train import Device, Plugins
from i2i_runtime.files import check_output


def separability(
    model: Annotated[Path, typer.Argument(help="A run, a checkpoint or weights of a generator of images from noise.")],
    data: Annotated[Path, typer.Argument(help="Images with classes: one folder each.")],
    samples: Annotated[int, typer.Option(min=4, max=10**6, help="Images to make.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="Of the first sample.")] = 0,
    features: Annotated[str, typer.Option(help="inception, dinov2_vits14, squeezenet1_1, ...")] = "inception",
    weights: Annotated[Path | None, typer.Option(help="Of --features.", show_default="published ones")] = None,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write all of it to this file.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace that file.")] = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Measure how well planes in latent space divide samples by classes: i2i evaluate separability RUN digits/.

    A linear classifier of features learns the classes of the folder and looks at samples; linear SVMs are to tell from
    their latents what it saw (StyleGAN, section 4.2). 1 is perfect; lower is better.
    """
    from i2i import evaluate, registry
    from i2i.checkpoints.load import load_latent
    from i2i.cli.evaluate import print_result
    from i2i.cli.progress import ProgressLine
    from i2i.devices import choose_device
    from i2i.evaluate.result import write_json
    from i2i.evaluate.separability import separability as measure
    from i2i.latent.sampler import Sampler
    from i2i.metrics.features import open_extractor

    registry.load_plugins(plugins)
    if json is not None:
        check_output(json, ".json", option="--json", overwrite=overwrite)
    with ProgressLine() as line:
        generator, facts = load_latent(model)
        sampler = Sampler(generator, device=choose_device(device))
        extractor = open_extractor(features, weights, str(sampler.device))
        instruments = evaluate.Instruments(progress=line.count)
        result = measure(sampler, extractor, data, instruments, samples=samples, seed=seed)
        result.facts = {"model": str(model), "step": int(facts.get("step", 0)), "data": str(data), "seed": seed}
        if json is not None:
            write_json(result, json)
        return print_result(result, line)
