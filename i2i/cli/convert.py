"""`i2i convert`, `i2i interpolate`: weights from one file into another."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from i2i.cli.train import Plugins
from i2i_runtime.files import check_output

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")]
Kept = "A run, a checkpoint, a file of weights, or a name of `i2i list weights`."


def convert(
    model: Annotated[Path, typer.Argument(help=Kept)],
    to: Annotated[
        Literal["official", "i2i"],
        typer.Option(help="official: what Real-ESRGAN, CycleGAN and other tools load; i2i: ours, with its facts."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write: .pth or .safetensors; for i2i .safetensors.", show_default="PRODUCT.…"),
    ] = None,
    product: Annotated[
        str | None, typer.Option(help="Which generator, for example a_to_b.", show_default=False)
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="3 for an RRDB file of others with one up-sampling, which is x2 else.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Write a generator's weights for other tools, or theirs for us: i2i convert runs/esrgan/photos --to official."""
    from i2i import interop, registry
    from i2i.checkpoints.load import load_generator, save_generator
    from i2i.cli.progress import ProgressLine

    registry.load_plugins(plugins)
    suffixes = (".pth", ".safetensors") if to == "official" else (".safetensors",)
    if out is not None:
        check_output(out, *suffixes, overwrite=overwrite)
    if scale is None:
        with ProgressLine() as line:
            progress = line.count("bytes downloaded")
            generator, facts = load_generator(model, product, progress=progress, notify=line.notify)
    else:
        generator, facts = interop.load_published(model, scale=scale), {"product": model.stem, "test_time": "eval"}
    file = out or Path(facts["product"] + suffixes[0])
    check_output(file, *suffixes, overwrite=overwrite)
    if to == "official":
        interop.save_published(generator, file)
    else:
        save_generator(file, generator, {"source": str(model), **facts})
    print(file)


def interpolate(
    a: Annotated[Path, typer.Argument(help=f"{Kept} ESRGAN: the PSNR stage.")],
    b: Annotated[Path, typer.Argument(help="The same, of equal architecture. ESRGAN: what was trained with the GAN.")],
    alpha: Annotated[float, typer.Option(min=0, max=1, help="How much of B, from 0 to 1.")] = 0.8,
    out: Annotated[
        Path | None, typer.Option(help="File to write, .safetensors.", show_default="interpolated-ALPHA.safetensors")
    ] = None,
    product: Annotated[
        str | None, typer.Option(help="Which generator, for example a_to_b.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Blend the weights of two networks, (1 - alpha) A + alpha B: less invented detail, fewer artefacts."""
    from i2i import interop, registry
    from i2i.checkpoints.load import load_generator, save_generator
    from i2i.cli.progress import ProgressLine

    registry.load_plugins(plugins)
    file = out or Path(f"interpolated-{alpha:g}.safetensors")
    check_output(file, ".safetensors", overwrite=overwrite)
    with ProgressLine() as line:
        (first, facts), (second, _) = (
            load_generator(model, product, progress=line.count("bytes downloaded"), notify=line.notify)
            for model in (a, b)
        )
    between = interop.interpolate(first, second, alpha)
    source = f"(1 - {alpha:g}) * {a} + {alpha:g} * {b}"
    save_generator(file, between, {"source": source, "test_time": facts["test_time"]})
    print(file)
