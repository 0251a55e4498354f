"""Image models of any kind for a command: an exported .onnx file in its engine, every other model in torch."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from i2i.cli.progress import ProgressLine
    from i2i_runtime.engines import ExportedModel
    from i2i_runtime.folder.samples import SeededGenerator
    from i2i_runtime.translate import ImageModel

Engine = Annotated[str, typer.Option(help="For .onnx: onnxruntime, openvino, or auto, the fastest one installed.")]
Providers = Annotated[str, typer.Option(help="For .onnx: cuda, cpu, tensorrt, tried in this order, or auto.")]
Threads = Annotated[int, typer.Option(min=0, max=1024, help="CPU threads of the network; 0: all cores.")]
Product = Annotated[str | None, typer.Option(help="Which generator, for example a_to_b.", show_default=False)]

Preparation = Literal["none", "as-trained"]
Prepare = Annotated[
    Preparation,
    typer.Option(
        help="as-trained: images go through the recipe's augment.test, without crops; results are of that size, unless "
        "--outscale is given."
    ),
]

# As in i2i.networks.layers, which imports torch.
TestTime = Literal["published", "eval"]


def open_model(
    model: Path,
    *,
    product: str | None,
    engine: str,
    providers: str,
    threads: int,
    device: str,
    notify: Callable[[str], None],
) -> "ImageModel":
    """Open a model for one caller at a time; engine, providers and device of the other kind of model are ignored.

    Raises ValueError.
    """
    from i2i_runtime import engines

    if engines.is_exported(model):
        exported = engines.open_model(model, engine=engine, providers=providers.split(","), threads=threads)
        return _with_product(exported, model, product)
    import torch

    from i2i import inference

    if threads:
        torch.set_num_threads(threads)
    return inference.load(model, product=product, device=device, notify=notify)


def open_for_folder(
    model: Path,
    *,
    product: str | None,
    test_time: TestTime | None,
    engine: str,
    providers: str,
    device: str,
    workers: int | None,
    line: "ProgressLine",
) -> "tuple[ImageModel, int]":
    """Open a model for several callers, and say how many share the cores: `workers`, if given.

    Raises ValueError for an option that is for the other kind of model.
    """
    from i2i_runtime import engines

    if engines.is_exported(model):
        if test_time is not None:
            raise ValueError("--test-time of an .onnx file is chosen when it is exported; export it again with another")
        if device != "auto":
            raise ValueError("--device is for networks in torch; for an .onnx file, use --providers")
        exported, shared = engines.open_for_folder(
            model, engine=engine, providers=providers.split(","), workers=workers
        )
        return _with_product(exported, model, product), shared
    from i2i import inference

    if (engine, providers) != ("auto", "auto"):
        raise ValueError("--engine and --providers are for an .onnx file, which i2i export makes")
    count = line.count("bytes downloaded")
    translator = inference.load(
        model, product=product, device=device, test_time=test_time, progress=count, notify=line.notify
    )
    return translator, inference.share_cores(translator, workers)


def prepare_as(model: "ImageModel", prepare: Preparation) -> None:
    """Set how a model prepares its images. Raises ValueError where the preparation of training is not known."""
    if prepare == "as-trained":
        model.prepare = model.preparation()


def open_sampler(model: Path, *, device: str) -> "SeededGenerator":
    """Open a generator of images from noise. Raises ValueError."""
    from i2i_runtime.engines import is_exported

    if is_exported(model):
        from i2i_runtime.engines.sampler import ExportedSampler

        return ExportedSampler(model, providers=[device])
    from i2i.latent import sampler

    return sampler.load(model, device=device)


def _with_product(opened: "ExportedModel", model: Path, product: str | None) -> "ExportedModel":
    """The opened file. Raises ValueError where another product is asked for."""
    if product is not None:
        from i2i.checkpoints.load import check_product

        check_product(model, opened.card.product, product)
    return opened


def other_products(model: Path, product: str) -> list[str]:
    """The further products of a model, of which `--product` chooses one."""
    from i2i_runtime.engines import is_exported

    if is_exported(model):
        return []
    from i2i import inference

    return [name for name in inference.list_products(model) if name != product]
