"""`i2i export`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from i2i.cli.convert import Kept, Overwrite
from i2i.cli.open_model import TestTime
from i2i.cli.train import Plugins
from i2i_runtime.files import check_output, shell_word

if TYPE_CHECKING:
    from i2i.export.proof import Proof

Facts = Mapping[str, str]  # that come with weights, as `load_any` gives them


def export(
    model: Annotated[Path, typer.Argument(help=Kept)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write.", show_default="PRODUCT.onnx")] = None,
    product: Annotated[
        str | None, typer.Option(help="Which generator, for example a_to_b.", show_default=False)
    ] = None,
    half: Annotated[
        bool,
        typer.Option(
            "--half", help="Half precision inside: half the size, faster on GPUs; input and output stay float32."
        ),
    ] = False,
    int8: Annotated[
        Path | None,
        typer.Option(
            metavar="CALIBRATION/",
            help="Convolutions in 8 bits, less those that cost too much, calibrated on typical images in this folder.",
            show_default=False,
        ),
    ] = None,
    freeze_norms: Annotated[
        Path | None,
        typer.Option(
            metavar="FRAMES/",
            help="Instance norms with fixed statistics, those of the frames in this folder: tiles, faster engines.",
            show_default=False,
        ),
    ] = None,
    frozen_psnr: Annotated[
        float | None,
        typer.Option(
            min=0, max=200, help="PSNR in dB of frozen norms against the image's own statistics.", show_default="25"
        ),
    ] = None,
    io: Annotated[
        Literal["float", "uint8"],
        typer.Option(help="Input and output: float (N, C, H, W) in [0, 1], or uint8 pixels (N, H, W, C)."),
    ] = "float",
    static: Annotated[
        str | None,
        typer.Option(metavar="NxHxW", help="Fix batch, height and width; for TensorRT.", show_default="any"),
    ] = None,
    any_size: Annotated[
        bool,
        typer.Option("--any-size", help="Take images of any height and width: the graph pads and crops them itself."),
    ] = False,
    opset: Annotated[int, typer.Option(min=15, max=24, help="Version of ONNX operators, 15 to 24.")] = 18,
    test_time: Annotated[
        TestTime | None,
        typer.Option(
            help="published (batch norm on the image's own statistics) or eval; dropout is off in both.",
            show_default="the method's",
        ),
    ] = None,
    least_psnr: Annotated[
        float | None,
        typer.Option(
            min=0, max=200, help="PSNR in dB to reach against torch.", show_default="50 for --half, 35 for --int8"
        ),
    ] = None,
    triton: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also put the file into this model repository of a Triton Inference Server."),
    ] = None,
    overwrite: Overwrite = False,
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Write a generator as one .onnx file, after proving it equal to torch: i2i export runs/pix2pix/facades.

    The file carries its card. i2i translate takes it like any model, i2i sample if it generates images from noise, and
    i2i evaluate and gate as --segmenter if it is a segmenter.
    """
    from i2i import registry
    from i2i.checkpoints.load import list_products, load_network
    from i2i.cli.progress import ProgressLine
    from i2i.export.triton import check_repository, write_repository
    from i2i.networks.generators.base import LatentGenerator
    from i2i.networks.segmenters.base import Segmenter

    registry.load_plugins(plugins)
    with ProgressLine() as line:
        network, facts = load_network(model, product, progress=line.count("bytes downloaded"), notify=line.notify)
        others = [name for name in list_products(model) if name != facts["product"]]
        file = out or Path(facts["product"] + ".onnx")
        for each in (file, file.with_name(f"{file.name}.data")):
            check_output(each, overwrite=overwrite)
        if triton:
            check_repository(file, triton)
        options: dict[str, Any] = {"io": io, "half": half, "opset": opset, "least_psnr": least_psnr}
        unfit: dict[str, object] = {"--int8": int8, "--freeze-norms": freeze_norms, "--frozen-psnr": frozen_psnr}
        unfit |= {"--static": static, "--test-time": test_time, "--any-size": any_size or None}
        if isinstance(network, LatentGenerator):
            _refuse(unfit | {"--triton": triton}, "this one makes them of noise")
            card, proof, use = _export_latent(network, facts, file, options)
        elif isinstance(network, Segmenter):
            of_generators = {"--half": half or None, "--io": None if io == "float" else io, "--least-psnr": least_psnr}
            _refuse(unfit | of_generators | {"--triton": triton}, "a segmenter makes label maps")
            card, proof, use = _export_segmenter(network, facts, file, opset)
        else:
            options |= {"test_time": test_time or facts["test_time"], "any_size": any_size, "frozen_psnr": frozen_psnr}
            folders = {"int8": int8, "frames": freeze_norms}
            card, proof, use = _export_image(network, facts, file, options, folders, static, line.notify)
        hint = f" (--product chooses: {', '.join(others)})" if others else ""
        line.notify(f"{card.product}{hint}, test time {card.test_time}, {card.precision}, opset {card.opset}")
        line.notify(f"proof: {proof.sentence()}")
        line.notify(use)
        line.notify(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
        if triton:
            line.notify(f"{write_repository(file, card, triton)} (for tritonserver --model-repository {triton})")


def _export_image(
    generator: Any,
    facts: Facts,
    file: Path,
    options: dict[str, Any],
    folders: Mapping[str, Path | None],
    static: str | None,
    notify: Callable[[str], None],
) -> tuple[Any, "Proof", str]:
    """Card, proof, and how large images run; `folders` are those of images for `int8` and of `frames`."""
    from i2i import export as exporting
    from i2i.checkpoints.card import card_of

    size, card = _size(static) if static else None, card_of(generator, facts)
    batches = exporting.read_calibration(folders["int8"], replace(card, size=size)) if folders["int8"] else ()
    frames = exporting.read_frames(folders["frames"], notify) if folders["frames"] else None
    if frames is None and options["frozen_psnr"] is not None:
        raise ValueError("--frozen-psnr: is for --freeze-norms FRAMES/; give both, or neither")
    card, proof = exporting.export(generator, card, file, int8=batches, frames=frames, size=size, **options)
    if frames is not None:
        notify(exporting.Difference(**card.proof["frozen_norms"]).sentence())
    if quantised := card.proof.get("int8"):
        kept = f"; in float32: {', '.join(quantised['float_layers'])}" if quantised["float_layers"] else ""
        notify(f"{quantised['layers']} convolutions in 8 bits{kept}")
    return card, proof, f"large images: {card.proof['large_images']}"


def _export_latent(generator: Any, facts: Facts, file: Path, options: dict[str, Any]) -> tuple[Any, "Proof", str]:
    """Card, proof, and the command that samples."""
    from i2i.checkpoints.card import noise_card_of
    from i2i.export.latent import export_latent

    card, proof = export_latent(generator, noise_card_of(generator, facts), file, **options)
    return card, proof, f"latents, images of {card.size}x{card.size}: i2i sample {shell_word(file)} SAMPLES/ --n 100"


def _export_segmenter(segmenter: Any, facts: Facts, file: Path, opset: int) -> tuple[Any, "Proof", str]:
    """Card, proof, and the option that takes the file."""
    from i2i.checkpoints.card import segmenter_card_of
    from i2i.export.segmenter import export_segmenter

    card, proof = export_segmenter(segmenter, segmenter_card_of(segmenter, facts), file, opset=opset)
    names = f" ({', '.join(card.names)})" if card.names else ""
    return card, proof, f"{card.classes} classes{names}: i2i evaluate, i2i gate --segmenter {file}"


def _refuse(options: Mapping[str, object], why: str) -> None:
    """Raises ValueError for an option that only generators of images from images have."""
    if names := [name for name, value in options.items() if value is not None]:
        raise ValueError(f"{names[0]}: is for generators of images from images, and {why}")


def _size(text: str) -> tuple[int, int, int]:
    try:
        number, height, width = (int(word) for word in text.split("x"))
    except ValueError:
        raise ValueError(
            f"--static {text}: not a batch, a height and a width; for example: --static 1x512x512"
        ) from None
    return number, height, width
