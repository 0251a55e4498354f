"""`i2i export`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from i2i.cli.convert import Kept
from i2i.cli.train import Plugins
from i2i.cli.translate import TestTime


def export(
    model: Annotated[Path, typer.Argument(help=Kept)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write.", show_default="PRODUCT.onnx")] = None,
    product: Annotated[
        str | None, typer.Option(help="Which generator, for example a_to_b.", show_default=False)
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Half precision inside: half the size, faster on GPUs, float32 at the ends.")
    ] = False,
    int8: Annotated[
        Path | None,
        typer.Option(
            metavar="CALIBRATION/",
            help="Convolutions in 8 bits, by the ranges in this folder's images: such as it will be used on.",
            show_default=False,
        ),
    ] = None,
    io: Annotated[
        Literal["float", "uint8"],
        typer.Option(help="What goes in and comes out: float (N, C, H, W) in [0, 1], or pixels (N, H, W, C)."),
    ] = "float",
    static: Annotated[
        str | None,
        typer.Option(metavar="NxHxW", help="The only batch, height and width; for TensorRT.", show_default="any"),
    ] = None,
    opset: Annotated[int, typer.Option(help="Version of ONNX's operators, 18 to 24.")] = 18,
    test_time: Annotated[
        TestTime | None,
        typer.Option(help="published (batch statistics) or eval; dropout is off.", show_default="the method's"),
    ] = None,
    least_psnr: Annotated[
        float | None,
        typer.Option(help="dB that the file must reach against torch.", show_default="50 for --half, 35 for --int8"),
    ] = None,
    triton: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Put it into this model repository of a Triton Inference Server too."),
    ] = None,
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Write a generator as one .onnx file for other programs, proven equal first: i2i export runs/pix2pix/facades.

    The file carries what it needs to be used right: i2i translate takes it like any model, i2i sample one that
    makes images of noise.
    """
    from i2i import export as exporting
    from i2i import registry
    from i2i.checkpoints.card import card_of, noise_card_of
    from i2i.checkpoints.load import list_products, load_any
    from i2i.cli.progress import Line
    from i2i.export.latent import export_latent
    from i2i.export.triton import write_repository
    from i2i.networks.generators.base import ImageGenerator, LatentGenerator
    from i2i_runtime.card import Card, NoiseCard

    registry.load_plugins(plugins)
    with Line() as line:
        loaded, facts = load_any(model, product, progress=line.count("bytes downloaded"), tell=line.notify)
        others = [name for name in list_products(model) if name != facts["product"]]
        file = out or Path(facts["product"] + ".onnx")
        if file.exists():
            raise ValueError(f"{file}: is there already; name another file with --out")
        ends: dict[str, Any] = {"io": io, "half": half, "opset": opset, "least_psnr": least_psnr}
        card: Card | NoiseCard
        if isinstance(loaded, LatentGenerator):
            _check_for_noise({"--int8": int8, "--static": static, "--test-time": test_time, "--triton": triton})
            card, proof = export_latent(loaded, noise_card_of(loaded, facts), file, **ends)
            use = f"latents, images of {card.size}x{card.size}: i2i sample {file} SAMPLES/ --n 100"
        else:
            assert isinstance(loaded, ImageGenerator)
            size, card = _size(static) if static else None, card_of(loaded, facts)
            ranges = exporting.read_calibration(int8, replace(card, size=size)) if int8 else ()
            shown: Any = test_time or facts["test_time"]
            card, proof = exporting.export(loaded, card, file, test_time=shown, int8=ranges, size=size, **ends)
            use = f"large images: {card.proof['large_images']}"
        hint = f" (--product chooses: {', '.join(others)})" if others else ""
        line.notify(f"{card.product}{hint}, test time {card.test_time}, {card.precision}, opset {card.opset}")
        line.notify(f"proof: {proof.sentence()}")
        line.notify(use)
        line.notify(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
        if triton and isinstance(card, Card):
            line.notify(f"{write_repository(file, card, triton)} (for tritonserver --model-repository {triton})")


def _check_for_noise(given: Mapping[str, object]) -> None:
    """Raises ValueError for options that a generator of images from noise has no use for."""
    if names := [name for name, value in given.items() if value is not None]:
        raise ValueError(f"{names[0]}: is for generators of images from images, and this one makes them of noise")


def _size(text: str) -> tuple[int, int, int]:
    try:
        number, height, width = (int(word) for word in text.split("x"))
    except ValueError:
        raise ValueError(
            f"--static {text}: not a batch, a height and a width; for example: --static 1x512x512"
        ) from None
    return number, height, width
