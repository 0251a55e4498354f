"""`i2i data list | check | tile | download | make`."""

from pathlib import Path
from typing import Annotated, cast

import typer

from i2i.cli.group import CommandGroup
from i2i.cli.train import Plugins
from i2i_runtime.files import escape_controls

app = typer.Typer(cls=CommandGroup, help="List, check, tile, download and draw data sets.")


@app.command("list")
def list_datasets(plugins: Plugins = []) -> None:  # noqa: B006
    """List the known data sets. Those that are downloaded are followed by their [folder]."""
    from i2i import registry
    from i2i.data.cache import cache_folder
    from i2i.data.known import KnownData

    registry.load_plugins(plugins)
    for name in registry.datasets:
        known = cast(KnownData, registry.datasets[name])
        folder = cache_folder("data") / name
        location = f"  [{folder}]" if folder.is_dir() else ""
        print(f"{name:<24} {' and '.join(known.kinds):<20} {known.size:<22} {known.description}{location}")


@app.command("check")
def check_folders(
    folders: Annotated[list[Path], typer.Argument(help="The folder of a data set, or two folders of images.")],
) -> int:
    """Read every image and report problems.

    Problems are unreadable files, images without partner or of another size, and test images that are training images.
    Exit code 1 if there are any.
    """
    from i2i.cli.progress import ProgressLine
    from i2i.data.check import check

    with ProgressLine() as line:
        report = check(*folders, progress=line.count("images"))
    print(escape_controls("\n".join(report.lines())))
    return 1 if report.problems else 0


@app.command("tile")
def tile(
    source: Annotated[Path, typer.Argument(help="Folder of large images.")],
    target: Annotated[Path, typer.Argument(help="Folder for the tiles: photo.jpg becomes photo_s001.png and so on.")],
    size: Annotated[int, typer.Option(min=1, max=2**16, help="Height and width of a tile in pixels.")] = 480,
    step: Annotated[
        int, typer.Option(min=1, max=2**16, help="Pixels from tile to tile; below size, tiles overlap.")
    ] = 240,
) -> int:
    """Cut photos into tiles, which load faster.

    Training on crops decodes a whole photo for each of them. The last tile of a row or column ends at the border.
    Existing tiles are kept. Exit code 3 if an image is unreadable.
    """
    from i2i.cli.progress import ProgressLine
    from i2i.data.tile import tile_folder

    with ProgressLine() as line:
        report = tile_folder(source, target, size=size, step=step, progress=line.count("images"))
    existed = f", {report.skipped:,} existed" if report.skipped else ""
    print(f"{report.images:,} image{'s' * (report.images != 1)}: {report.written:,} tiles written{existed}")
    if report.failed:
        sentences = [f"{len(report.failed)} failed:", *(f"  {sentence}" for sentence in report.failed)]
        print(escape_controls("\n".join(sentences)))
    return 3 if report.failed else 0


@app.command("download")
def download(
    name: Annotated[str, typer.Argument(help="A known data set; `i2i data list` names them.")],
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Download a known data set into the cache.

    Prints its folder, in $I2I_DATA or the user's cache. An interrupted download is resumed.
    """
    from i2i import registry
    from i2i.cli.progress import ProgressLine, StageProgress
    from i2i.data.known import cached

    registry.load_plugins(plugins)
    with ProgressLine() as line:
        folder = cached(name, progress=StageProgress(line), notify=line.notify)
    print(folder)


@app.command("make")
def make(
    name: Annotated[str, typer.Argument(help="sim2real: streets as rendered by a simulator and as seen by a camera.")],
    out: Annotated[Path, typer.Argument(help="New folder.")],
    n: Annotated[
        int, typer.Option("--n", min=1, max=10**6, help="Training scenes; a fifth as many are held out.")
    ] = 200,
    size: Annotated[int, typer.Option(min=16, max=4096, help="Height and width in pixels.")] = 64,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Another seed draws other streets.")] = 0,
    gap: Annotated[
        str,
        typer.Option(
            metavar="NAME=VALUE,...",
            help="Layout of B, whose scenes are others than those of A: trees=0.6 (about 0.25 in A), horizon=0.1 (lower"
            " by a tenth of the height), cars=0 (0.5 in A); one of these or more.",
        ),
    ] = "",
    sequence: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            max=240,
            help="Scenes in motion: N frames each of a camera that drives, with exact optical flow (KITTI's PNG).",
            show_default="still images",
        ),
    ] = None,
) -> None:
    """Draw the built-in world of street scenes, with label maps. A is simulated and B real.

    Both show the same scenes, or, with --gap, others, as in life: truth/ then holds what no training may see.
    """
    from i2i.cli.progress import ProgressLine
    from i2i.data.world import make_world, parse_gap
    from i2i.registry import did_you_mean

    if name != "sim2real":
        raise ValueError(f"data make {name!r}: {did_you_mean(name, ['sim2real'])}")
    parsed = parse_gap(gap) if gap else None
    with ProgressLine() as line:
        count = line.count("scenes")
        make_world(out, count=n, size=size, seed=seed, gap=parsed, sequence=sequence or 0, progress=count)
    print(out)
