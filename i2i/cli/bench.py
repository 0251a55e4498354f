"""`i2i bench`, and what it shares with `i2i stream`: any model as a function, whatever runs it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from i2i.cli.train import Device, Plugins

if TYPE_CHECKING:
    from i2i_runtime.card import Card
    from i2i_runtime.images import Array
    from i2i_runtime.translate import Network

Providers = Annotated[str, typer.Option(help="For .onnx, in order: cuda, cpu, tensorrt, or auto.")]
Engine = Annotated[str, typer.Option(help="For .onnx: onnxruntime, openvino, or auto, the fastest there is.")]
Threads = Annotated[int, typer.Option(help="Of the CPU, for the network; 0: all cores.")]


class Opened(NamedTuple):
    """A model as a function on images and on batches, and what runs it."""

    translate: "Callable[[Array], Array]"
    network: "Network"
    card: "Card"
    engine: str


def open_model(
    model: Path,
    *,
    product: str | None,
    engine: str,
    providers: str,
    threads: int,
    device: str,
    tell: Callable[[str], None],
) -> Opened:
    """An .onnx file in ONNX Runtime or OpenVINO, everything else that `i2i translate` takes in torch."""
    if model.suffix.lower() == ".onnx":
        from i2i_runtime import engines

        session = engines.open_model(model, engine=engine, providers=providers.split(","), threads=threads)
        return Opened(session, session.network, session.card, engines.describe(session))
    import torch

    from i2i import inference

    if threads:
        torch.set_num_threads(threads)
    translator = inference.load(model, product=product, device=device, tell=tell)
    return Opened(translator, translator.network, translator.card, f"torch {translator.device}")


def bench(
    models: Annotated[
        list[Path], typer.Argument(help="One or more: .onnx files, runs, checkpoints, files of weights, names.")
    ],
    size: Annotated[str, typer.Option(metavar="WxH", help="Pixels of an image; one number is both.")] = "256",
    batch: Annotated[int, typer.Option(help="Images at once, without files.")] = 1,
    seconds: Annotated[float, typer.Option(help="How long to measure each model.")] = 10.0,
    product: Annotated[
        str | None, typer.Option(help="Which generator of runs, for example a_to_b.", show_default=False)
    ] = None,
    engine: Annotated[str, typer.Option(help="For .onnx: onnxruntime, openvino, or all that are installed.")] = "all",
    providers: Providers = "auto",
    threads: Threads = 0,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Measure models in turns, with and without reading and writing files: i2i bench x.onnx runs/cyclegan/h2z/latest.

    An .onnx file runs in ONNX Runtime or OpenVINO, every other model in torch: give both to see them beside each other.
    """
    from i2i import registry
    from i2i_runtime import bench as benching
    from i2i_runtime import engines
    from i2i_runtime.stream import size_of

    def tell(sentence: str) -> None:
        print(sentence, file=sys.stderr)

    height, width = size_of(size)
    registry.load_plugins(plugins)
    contenders = []
    for model in models:
        names = engines.expand_engine(engine, providers.split(",")) if model.suffix.lower() == ".onnx" else [engine]
        for name in names:
            opened = open_model(
                model, product=product, engine=name, providers=providers, threads=threads, device=device, tell=tell
            )
            contenders.append(benching.Contender(str(model), opened.engine, opened.network, opened.card))
    benching.bench(contenders, height=height, width=width, batch=batch, seconds=seconds, tell=tell)
    print("\n".join(benching.table(contenders)))
