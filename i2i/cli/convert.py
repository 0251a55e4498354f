"""`i2i convert`, `i2i interpolate`: weights from one file into another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from i2i.cli.train import Plugins
from i2i_runtime.files import check_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from i2i.networks.generators import ImageGenerator

_SUFFIXES = {"official": (".pth", ".pt", ".safetensors"), "i2i": (".safetensors",)}

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")]
Kept = "A run, a checkpoint, a file of weights, or a name of `i2i list weights`."


def convert(
    model: Annotated[Path, typer.Argument(help=Kept)],
    to: Annotated[
        Literal["official", "i2i", "ncnn"],
        typer.Option(
            help="official: what Real-ESRGAN, CycleGAN and other tools load; i2i: ours, with its facts; ncnn: .param "
            "and .bin, for upscayl and phones."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write: .pth, .pt or .safetensors; for i2i .safetensors; for ncnn the name of both.",
            show_default="PRODUCT.…",
        ),
    ] = None,
    freeze_norms: Annotated[
        Path | None,
        typer.Option(
            metavar="FRAMES/",
            help="For i2i: instance norms with the mean statistics of these frames, to go on training with.",
            show_default=False,
        ),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="For ncnn: weights of convolutions in half precision.")] = False,
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
    from i2i.checkpoints.load import load_any, save_generator
    from i2i.cli.progress import ProgressLine
    from i2i.networks.generators import ImageGenerator

    registry.load_plugins(plugins)
    if half and to != "ncnn":
        raise ValueError("--half is for --to ncnn")
    if freeze_norms and to != "i2i":
        raise ValueError("--freeze-norms is for --to i2i; i2i export has it, too")
    if out is not None:
        _check(out, to, overwrite=overwrite)
    if scale is None:
        with ProgressLine() as line:
            progress = line.count("bytes downloaded")
            generator, facts = load_any(model, product, progress=progress, notify=line.notify)
    else:
        generator, facts = interop.load_published(model, scale=scale), {"product": model.stem, "test_time": "eval"}
    file = out or Path(facts["product"] + _SUFFIXES.get(to, ("",))[0])
    _check(file, to, overwrite=overwrite)
    if not isinstance(generator, ImageGenerator) and (to == "ncnn" or freeze_norms):
        option = "--to ncnn" if to == "ncnn" else "--freeze-norms"
        raise ValueError(f"{model}: makes images of noise, not of images, which {option} is for")
    if to == "ncnn":
        _write_ncnn(cast(ImageGenerator, generator), facts, file, half=half)
        return
    if to == "official":
        interop.save_published(generator, file)
    else:
        if freeze_norms:
            generator = _frozen(cast(ImageGenerator, generator), facts, freeze_norms)
        save_generator(file, generator, {"source": str(model), **facts})
    print(file)


def _frozen(generator: "ImageGenerator", facts: "Mapping[str, str]", folder: Path) -> "ImageGenerator":
    """The generator with norms frozen on frames; training may make up for any difference, which is printed."""
    from i2i.checkpoints.card import card_of
    from i2i.export.frozen import freeze, read_frames

    frames = read_frames(folder, print)
    frozen, difference = freeze(generator.eval(), card_of(generator, facts), frames, least_psnr=0)
    print(difference.sentence())
    return frozen


def _check(out: Path, to: str, *, overwrite: bool) -> None:
    from i2i.interop.ncnn_out import ncnn_pair

    for file in ncnn_pair(out) if to == "ncnn" else [out]:
        check_output(file, *_SUFFIXES.get(to, ()), overwrite=overwrite)


def _write_ncnn(generator: "ImageGenerator", facts: "Mapping[str, str]", file: Path, *, half: bool) -> None:
    from i2i.interop.ncnn_out import ncnn_pair, save_ncnn
    from i2i.networks.layers import set_test_time

    test_time: Any = facts.get("test_time", "eval")
    psnr = save_ncnn(set_test_time(generator, test_time), file, half=half)
    print(f"ncnn against torch: {psnr:.1f} dB; from data to output, in [0, 1]")
    print(*ncnn_pair(file), sep="\n")


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
