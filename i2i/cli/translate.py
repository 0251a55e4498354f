"""`i2i translate`."""

from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.open_model import (
    Engine,
    Prepare,
    Product,
    Providers,
    TestTime,
    open_for_folder,
    other_products,
    prepare_as,
)
from i2i.cli.train import Device, Plugins


def translate(
    model: Annotated[
        Path, typer.Argument(help="A run, a checkpoint, a file of weights (also published ones), an .onnx, or a name.")
    ],
    source: Annotated[
        str, typer.Argument(help="Folder of images, or one image; may be a URL such as s3://bucket/low.")
    ],
    target: Annotated[
        str, typer.Argument(help="Folder for the results, with the same paths and formats; may be a URL.")
    ],
    product: Product = None,
    test_time: Annotated[
        TestTime | None,
        typer.Option(help="published (batch statistics, dropout on) or eval.", show_default="the method's"),
    ] = None,
    outscale: Annotated[
        float | None,
        typer.Option(
            min=1 / 256, max=256, help="Size of a result in sizes of its image.", show_default="the network's scale"
        ),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**16,
            help="Longest side in pixels that the network is given at once; 0: the whole image. Larger is faster and "
            "takes more memory.",
            show_default="384 or more, or the whole image where the network needs it",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="Format of the results: png, jpg, webp, bmp, tif.", show_default="that of the image"),
    ] = None,
    prepare: Prepare = "none",
    quality: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Quality of JPEG and WebP, 1 to 100.",
            show_default="95, and lossless for a WebP whose image was",
        ),
    ] = None,
    keep_hidden: Annotated[
        bool,
        typer.Option(
            "--keep-hidden",
            help="Translate colours under alpha 0 as they are, for textures whose alpha is a map such as gloss.",
        ),
    ] = False,
    carry: Annotated[
        list[str],
        typer.Option(metavar="GLOB", help="Copy these files unchanged, such as 'labels/**'; repeatable."),
    ] = [],  # noqa: B006
    link: Annotated[
        bool, typer.Option("--link", help="Hard-link the files of --carry instead of copying them.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Do one of N parts of the folder, 0/N to N-1/N: one for each machine.",
            show_default="all",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Translate again what is there already.")] = False,
    mix: Annotated[
        bool, typer.Option("--mix", help="Keep results of another model or other settings that are in the target.")
    ] = False,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=4096,
            help="Images of equal size per batch.",
            show_default="1, or an .onnx file's only batch size",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Batches at once.", show_default="2 for a folder on a CPU, else 1"),
    ] = None,
    device: Device = "auto",
    engine: Engine = "auto",
    providers: Providers = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Translate or upscale a folder of images: i2i translate runs/cyclegan/horse2zebra/latest horses/ zebras/.

    The results keep the paths, names and formats of the images, and their transparency, 16 bits and colour profiles.
    What is there already is not translated again, unless its image has changed: the target's .i2i-manifest.jsonl says
    which model made each result of which image, in how many milliseconds, with checksums. A target that has results of
    another model or other settings is refused. A published upscaler works
    by its name: i2i translate realesrgan-x4plus low/ high/. Source and target may be URLs that fsspec knows:
    i2i translate x4.onnx s3://bucket/low gs://bucket/high, which need: pip install fsspec s3fs gcsfs.
    """
    from i2i import registry
    from i2i.cli.progress import ProgressLine
    from i2i_runtime.engines import describe
    from i2i_runtime.folder import FolderOptions
    from i2i_runtime.folder.command import run_translation, workers_for

    registry.load_plugins(plugins)
    with ProgressLine() as line:
        opened, shared = open_for_folder(
            model,
            product=product,
            test_time=test_time,
            engine=engine,
            providers=providers,
            device=device,
            workers=workers_for(source, workers),
            line=line,
        )
        prepare_as(opened, prepare)
        name, others = opened.card.product, other_products(model, opened.card.product)
        hint = f" (--product chooses: {', '.join(others)})" if others else ""
        line.notify(f"{name}{hint} on {describe(opened)}")
        options = FolderOptions(
            tile=tile,
            outscale=outscale,
            format=format,
            quality=quality,
            keep_hidden=keep_hidden,
            carry=carry,
            link=link,
            shard=shard,
            overwrite=overwrite,
            mix=mix,
            batch=batch,
            workers=shared,
        )
        count = line.count("images")
        return run_translation(opened, source, target, options, notify=line.notify, count=count, within=line.within)
