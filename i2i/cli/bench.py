"""`i2i bench`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.open_model import Product, Providers, Threads, open_model
from i2i.cli.train import Device, Plugins


def bench(
    models: Annotated[
        list[Path], typer.Argument(help="One or more: .onnx files, runs, checkpoints, files of weights, names.")
    ],
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height in pixels; one number is both.")] = "256",
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Images per batch, without files.")] = 1,
    seconds: Annotated[float, typer.Option(min=0.001, max=86_400, help="Duration for each model.")] = 10.0,
    product: Product = None,
    engine: Annotated[str, typer.Option(help="For .onnx: onnxruntime, openvino, or all, every one installed.")] = "all",
    providers: Providers = "auto",
    threads: Threads = 0,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Measure the speed of models, with and without files: i2i bench x.onnx runs/cyclegan/h2z/latest.

    An .onnx file runs in ONNX Runtime or OpenVINO, every other model in torch. Give both to compare them: they are
    measured round-robin.
    """
    from i2i import registry
    from i2i_runtime import bench as benchmark
    from i2i_runtime.engines import expand_engine, is_exported
    from i2i_runtime.stream import parse_size

    frame = parse_size(size)
    registry.load_plugins(plugins)
    contenders = []
    for model in models:
        for name in expand_engine(engine, providers.split(",")) if is_exported(model) else [engine]:
            opened = open_model(
                model,
                product=product,
                engine=name,
                providers=providers,
                threads=threads,
                device=device,
                notify=lambda sentence: print(sentence, file=sys.stderr),
            )
            contenders.append(benchmark.Contender.of(str(model), opened))
    benchmark.run(contenders, frame, batch=batch, seconds=seconds)
