"""Command `i2i report`: writes one HTML page about runs."""

from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.train import Device, Plugins


def report(
    runs: Annotated[list[Path], typer.Argument(help="One run, or several to see beside each other.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("report.html"),
    images: Annotated[
        int, typer.Option(min=0, max=10_000, help="Held-out images that each run translates for it.")
    ] = 8,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a page that i2i report has not written.")
    ] = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Write one HTML page about runs: facts, warnings, metrics, held-out images, sample sheets, training curves.

    The page loads nothing else, so it can be sent as it is. An earlier page is replaced.
    """
    from i2i import registry
    from i2i.cli.progress import ProgressLine
    from i2i.report import write_report

    registry.load_plugins(plugins)
    with ProgressLine() as line:
        write_report(runs, out, images=images, overwrite=overwrite, device=device, notify=line.notify)
    print(f"open {out.resolve()}")
    return 0
