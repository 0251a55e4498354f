"""`i2i stream`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.bench import Engine, Providers, Threads, open_model
from i2i.cli.train import Device, Plugins


def stream(
    model: Annotated[Path, typer.Argument(help="An .onnx file, a run, a checkpoint, a file of weights, or a name.")],
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height of a frame in pixels.")],
    product: Annotated[
        str | None, typer.Option(help="Which generator, for example a_to_b.", show_default=False)
    ] = None,
    engine: Engine = "auto",
    providers: Providers = "auto",
    threads: Threads = 0,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Translate raw frames, RGB24 in and out, with ffmpeg or a simulator on both ends.

    ffmpeg -i in.mp4 -f rawvideo -pix_fmt rgb24 - | i2i stream x.onnx --size 640x480 | ffmpeg -f rawvideo -pix_fmt rgb24
    -s 640x480 -r 30 -i - out.mp4
    """
    from i2i import registry
    from i2i_runtime.stream import run_standard, size_of

    frame = size_of(size)
    registry.load_plugins(plugins)
    # Standard output is for frames alone.
    opened = open_model(
        model,
        product=product,
        engine=engine,
        providers=providers,
        threads=threads,
        device=device,
        tell=lambda sentence: print(sentence, file=sys.stderr),
    )
    run_standard(opened.translate, opened.card, size=frame, engine=opened.engine)
