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
    live: Annotated[
        bool, typer.Option("--live", help="Translate the newest frame, and drop those that came while one was at it.")
    ] = False,
    stabilise: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share of the frame before, along the motion, where both show the same: steadier pictures. 0: off.",
        ),
    ] = 0.0,
    timings: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the times and counts of frames as JSON.", show_default=False),
    ] = None,
    test_rate: Annotated[
        float,
        typer.Option(
            metavar="FPS",
            min=0,
            max=1000,
            help="Time the model for 10 seconds on a moving test picture of so many frames per second, instead of "
            "reading frames.",
            show_default="30 where standard input is a terminal",
        ),
    ] = 0.0,
    product: Product = None,
    prepare: Prepare = "none",
    engine: Engine = "auto",
    providers: Providers = "auto",
    threads: Threads = 0,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Translate frames from standard input to standard output, with ffmpeg or a simulator on both ends.

    Without frames, i2i stream x.onnx --size 640x360 times the model. Times and dropped frames are printed at the end.

    Y4M is recognised, and says its size: ffmpeg -i in.mp4 -f yuv4mpegpipe -pix_fmt yuv444p - | i2i stream x.onnx |
    ffmpeg -i - out.mp4

    Raw RGB24 frames need --size: ffmpeg -i in.mp4 -f rawvideo -pix_fmt rgb24 - | i2i stream x.onnx --size 640x480 |
    ffmpeg -f rawvideo -pix_fmt rgb24 -s 640x480 -r 30 -i - out.mp4
    """
    from i2i import registry
    from i2i_runtime.stream import parse_size
    from i2i_runtime.stream_command import StreamOptions, run_stream

    frame = parse_size(size) if size is not None else None
    options = StreamOptions(frame, live, stabilise, timings, test_rate)
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
    run_stream(opened, options)
