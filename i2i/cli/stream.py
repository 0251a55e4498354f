"""`i2i stream`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.open_model import Engine, Prepare, Product, Providers, Threads, open_model, prepare_as
from i2i.cli.train import Device, Plugins


def stream(
    model: Annotated[Path, typer.Argument(help="An .onnx file, a run, a checkpoint, a file of weights, or a name.")],
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Width and height of a raw frame in pixels.", show_default="that of Y4M"),
    ] = None,
    product: Product = None,
    prepare: Prepare = "none",
    engine: Engine = "auto",
    providers: Providers = "auto",
    threads: Threads = 0,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Translate frames from standard input to standard output, with ffmpeg or a simulator on both ends.

    Y4M is recognised, and says its size: ffmpeg -i in.mp4 -f yuv4mpegpipe -pix_fmt yuv444p - | i2i stream x.onnx |
    ffmpeg -i - out.mp4

    Raw RGB24 frames need --size: ffmpeg -i in.mp4 -f rawvideo -pix_fmt rgb24 - | i2i stream x.onnx --size 640x480 |
    ffmpeg -f rawvideo -pix_fmt rgb24 -s 640x480 -r 30 -i - out.mp4
    """
    from i2i import registry
    from i2i_runtime.stream import parse_size, run_on_standard_streams

    frame = parse_size(size) if size is not None else None
    registry.load_plugins(plugins)
    opened = open_model(
        model,
        product=product,
        engine=engine,
        providers=providers,
        threads=threads,
        device=device,
        notify=lambda sentence: print(sentence, file=sys.stderr),  # standard output is for frames alone
    )
    prepare_as(opened, prepare)
    run_on_standard_streams(opened, frame)
