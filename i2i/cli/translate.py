"""`i2i translate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from i2i.cli.bench import Engine, Providers
from i2i.cli.train import Device, Plugins

if TYPE_CHECKING:
    from i2i.cli.progress import ProgressLine
    from i2i_runtime.card import Card
    from i2i_runtime.translate import Banded, Network

# As in i2i.networks.layers, which imports torch.
TestTime = Literal["published", "eval"]


class _Opened(NamedTuple):
    network: "Network"
    card: "Card"
    engine: str
    others: list[str]  # further products
    workers: int
    banded: "Banded | None" = None


def translate(
    model: Annotated[
        Path, typer.Argument(help="A run, a checkpoint, a file of weights (also published ones), an .onnx, or a name.")
    ],
    source: Annotated[
        str, typer.Argument(help="Folder of images (or one image), also remote, such as s3://bucket/low.")
    ],
    target: Annotated[
        str, typer.Argument(help="Folder for the results, also remote: same tree, same names, same formats.")
    ],
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
    format: Annotated[
        str | None, typer.Option(help="Of the results: png, jpg, webp, bmp, tif.", show_default="that of the image")
    ] = None,
    carry: Annotated[
        list[str],
        typer.Option(
            metavar="GLOB", help="Copy these files as they are, byte for byte, such as 'labels/**'. May be repeated."
        ),
    ] = [],  # noqa: B006
    link: Annotated[bool, typer.Option("--link", help="Hard-link what is carried instead of copying it.")] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="One of N parts of the folder, 0/N to N-1/N: one per machine.", show_default="all"
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Translate again what is there already.")] = False,
    mix: Annotated[
        bool, typer.Option("--mix", help="Keep results of another model that are in the target, instead of refusing.")
    ] = False,
    batch: Annotated[
        int | None,
        typer.Option(
            help="Images of equal size that go through the network together.", show_default="1, or what an .onnx takes"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Batches at once.", show_default="2 for a folder on a CPU, else 1")
    ] = None,
    device: Device = "auto",
    engine: Engine = "auto",
    providers: Providers = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Translate or upscale a folder of images: i2i translate runs/cyclegan/horse2zebra/latest horses/ zebras/.

    A folder's tree, names and formats are kept, and so are transparency, 16 bits and colour profiles. What is there
    already is not made again, unless its image has changed: the target's .i2i-manifest.jsonl says of what, by which
    model and in how many milliseconds each result was made, with checksums. A published upscaler works by its name:
    i2i translate realesrgan-x4plus low/ high/. Images and results may be far away, as URLs that fsspec knows:
    i2i translate x4.onnx s3://bucket/low gs://bucket/high, for which pip install 'i2i[remote]' s3fs gcsfs.
    """
    from i2i import registry
    from i2i.cli.progress import ProgressLine, stop_on_signals
    from i2i_runtime.engines import describe, open_for_folder
    from i2i_runtime.folder import FolderOptions, translate_folder
    from i2i_runtime.images import is_image

    registry.load_plugins(plugins)
    if workers is None and is_image(Path(source)):
        workers = 1  # with all cores
    with ProgressLine() as line:
        if model.suffix.lower() == ".onnx":
            _refuse_for_onnx(product=product, test_time=test_time, device=None if device == "auto" else device)
            session, crew = open_for_folder(model, engine=engine, providers=providers.split(","), workers=workers)
            opened = _Opened(session.network, session.card, describe(session), [], crew, banded=session.banded)
        else:
            if (engine, providers) != ("auto", "auto"):
                raise ValueError("--engine and --providers are for an .onnx file, which i2i export makes")
            opened = _open_torch(model, product, test_time, device, workers, line)
    with stop_on_signals() as stop, ProgressLine() as line:
        hint = f" (--product chooses: {', '.join(opened.others)})" if opened.others else ""
        line.notify(f"{opened.card.product}{hint} on {opened.engine}")
        count = line.count("images")
        report = translate_folder(
            opened.network,
            opened.card,
            source,
            target,
            FolderOptions(
                tile=tile,
                outscale=outscale,
                format=format,
                carry=carry,
                link=link,
                shard=shard,
                overwrite=overwrite,
                mix=mix,
                batch=(opened.card.size or (1,))[0] if batch is None else batch,
                workers=opened.workers,
            ),
            banded=opened.banded,
            stop=stop,
            progress=lambda at: count(at.finished, at.total),
        )
        for sentence in report.lines():
            line.notify(sentence)
    if stop():
        return 128 + stop.signal
    return 3 if report.failed else 0


def _open_torch(
    model: Path, product: str | None, test_time: TestTime | None, device: str, workers: int | None, line: "ProgressLine"
) -> _Opened:
    from i2i import inference

    translator = inference.load(
        model, product=product, device=device, test_time=test_time, progress=line.count("bytes"), tell=line.notify
    )
    others = [name for name in inference.list_products(model) if name != translator.card.product]
    crew = inference.share_cores(translator, workers)
    return _Opened(
        translator.network, translator.card, str(translator.device), others, workers=crew, banded=translator.banded
    )


def _refuse_for_onnx(**options: str | None) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ValueError(f"--{given[0].replace('_', '-')} is not for an .onnx file, in which it is settled")
