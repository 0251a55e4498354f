"""`i2i data list | check | tile | download | make`."""

from pathlib import Path
from typing import Annotated, cast

import typer

from i2i.cli.train import Plugins

app = typer.Typer(help="Look at, check, cut, download and make data sets.", no_args_is_help=True)


@app.command("list")
def list_datasets(plugins: Plugins = []) -> None:  # noqa: B006
    """List the known data sets: what they are for, their size, and where they lie if they are here."""
    from i2i import registry
    from i2i.data.cache import cache_folder
    from i2i.data.known import KnownData

    registry.load_plugins(plugins)
    for name in registry.datasets:
        known = cast(KnownData, registry.datasets[name])
        folder = cache_folder("data") / name
        here = f"  [{folder}]" if folder.is_dir() else ""
        print(f"{name:<24} {' and '.join(known.kinds):<20} {known.size:<22} {known.description}{here}")


@app.command("check")
def check_folders(
    folders: Annotated[list[Path], typer.Argument(help="A data set's folder, or two folders.")],
) -> int:
    """Read every image and report counts, sizes, kinds, and everything that training would stumble over."""
    from i2i.cli.progress import Line
    from i2i.data.check import check

    with Line() as line:
        report = check(*folders, progress=line.count("images"))
    print("\n".join(report.lines()))
    return 1 if report.problems else 0


@app.command("tile")
def tile(
    source: Annotated[Path, typer.Argument(help="Folder of large images.")],
    target: Annotated[Path, typer.Argument(help="Folder for the tiles: the same tree, photo_s001.png and so on.")],
    size: Annotated[int, typer.Option(help="Height and width of a tile in pixels.")] = 480,
    step: Annotated[int, typer.Option(help="Pixels from one tile to the next; smaller than size, they overlap.")] = 240,
) -> int:
    """Cut large photos into tiles once, which load many times faster than whole photos: i2i data tile photos/ tiles/.

    The last tile of a row or column ends at the border. What is there already is not made again.
    """
    from i2i.cli.progress import Line
    from i2i.data.tile import tile_folder

    with Line() as line:
        report = tile_folder(source, target, size=size, step=step, progress=line.count("images"))
    there = f", {report.skipped:,} were there already" if report.skipped else ""
    print(f"{report.images:,} image{'s' * (report.images != 1)}: {report.written:,} tiles written{there}")
    if report.failed:
        print("\n".join([f"{len(report.failed)} failed:", *(f"  {sentence}" for sentence in report.failed)]))
    return 3 if report.failed else 0


@app.command("download")
def download(
    name: Annotated[str, typer.Argument(help="A known data set; see `i2i data list`.")],
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Fetch a known data set into the cache ($I2I_DATA), going on where an earlier attempt stopped."""
    from i2i import registry
    from i2i.cli.progress import Line, PreparingLine
    from i2i.data.known import cached

    registry.load_plugins(plugins)
    with Line() as line:
        folder = cached(name, progress=PreparingLine(line), log=line.say)
    print(folder)


@app.command("make")
def make(
    name: Annotated[str, typer.Argument(help="sim2real: drawn streets as a simulator, and as a camera, shows them.")],
    out: Annotated[Path, typer.Argument(help="New folder.")],
    n: Annotated[int, typer.Option("--n", help="Scenes to train on; a fifth as many are held out.")] = 200,
    size: Annotated[int, typer.Option(help="Height and width in pixels.")] = 64,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Make the built-in world: sim, real and labels of the same scenes."""
    from i2i.cli.progress import Line
    from i2i.data.world import make_world
    from i2i.registry import did_you_mean

    if name != "sim2real":
        raise ValueError(f"data make {name!r}: {did_you_mean(name, ['sim2real'])}")
    with Line() as line:
        make_world(out, count=n, size=size, seed=seed, progress=line.count("scenes"))
    print(out)
