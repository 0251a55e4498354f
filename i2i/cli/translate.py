"""`i2i translate`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from i2i.cli.train import Device, Plugins

# As in i2i.layers, which imports torch.
TestTime = Literal["published", "eval"]


def translate(
    model: Annotated[
        Path, typer.Argument(help="A run, a checkpoint, a file of weights (also published ones), or a name.")
    ],
    source: Annotated[Path, typer.Argument(help="Folder of images (or one image).")],
    target: Annotated[Path, typer.Argument(help="Folder for the results: same tree, same names, same formats.")],
    product: Annotated[
        str | None, typer.Option(help="Which generator, for example a_to_b.", show_default=False)
    ] = None,
    test_time: Annotated[
        TestTime | None,
        typer.Option(help="published (batch statistics, dropout on) or eval.", show_default="the method's"),
    ] = None,
    outscale: Annotated[
        float | None,
        typer.Option(help="Resample results to this many times the size of the image.", show_default="the network's"),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            help="Largest height and width, in pixels of the image, that the network gets at once; 0 is the whole "
            "image. Larger is faster and takes more memory.",
            show_default="384 or more, or the whole image where the network needs it",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Translate again what is there already.")] = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Translate or upscale a folder of images: i2i translate runs/cyclegan/horse2zebra/latest horses/ zebras/.

    A folder's tree, names and formats are kept, and so are transparency, 16 bits and colour profiles. What is there
    already is not made again. A published upscaler works by its name: i2i translate realesrgan-x4plus low/ high/.
    """
    from i2i import inference, registry
    from i2i.cli.progress import Line, stop_on_signals
    from i2i_runtime.folder import translate_folder

    registry.load_plugins(plugins)
    with Line() as line:
        translator = inference.load(
            model, product=product, device=device, test_time=test_time, progress=line.count("bytes"), tell=line.say
        )
    others = [name for name in inference.list_products(model) if name != translator.card.product]
    with stop_on_signals() as stop, Line() as line:
        hint = f" (--product chooses: {', '.join(others)})" if others else ""
        line.say(f"{translator.card.product}{hint} on {translator.device}")
        count = line.count("images")
        report = translate_folder(
            translator.network,
            translator.card,
            source,
            target,
            tile=tile,
            outscale=outscale,
            overwrite=overwrite,
            stop=stop,
            progress=lambda at: count(at.finished, at.total),
        )
        skipped = f", {len(report.skipped)} were there already (--overwrite makes them again)" if report.skipped else ""
        line.say(f"{len(report.done)} translated{skipped}")
        if report.failed:
            line.say(f"{len(report.failed)} failed:")
            for _, sentence in report.failed:
                line.say(f"  {sentence}")
        if report.stopped:
            line.say(f"stopped before the end: {report.stopped}; the same command goes on")
    if stop():
        return 128 + stop.signal
    return 3 if report.failed else 0
