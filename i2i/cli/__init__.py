"""The command line: parse, call, print. An error is one sentence and exit code 1; `--debug` adds its traceback."""

import os
import sys
import warnings
from typing import Annotated, Any

import typer

from i2i import __version__
from i2i.cli import (
    anomaly,
    augment,
    bench,
    convert,
    data,
    demo,
    directions,
    distil,
    edit,
    evaluate,
    export,
    gate,
    info,
    inspect,
    invert,
    mix,
    report,
    sample,
    stream,
    train,
    translate,
    walk,
)
from i2i.cli.errors import error_sentence
from i2i.cli.group import CommandGroup
from i2i_runtime.signals import run_program

app = typer.Typer(
    name="i2i",
    epilog="Add --debug to any command for the full traceback of an error.",
    cls=CommandGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("train")(train.train)
app.command("distil")(distil.distil)
app.command("translate")(translate.translate)
app.command("export")(export.export)
app.command("bench")(bench.bench)
app.command("stream")(stream.stream)
app.command("sample")(sample.sample)
app.command("walk")(walk.walk)
app.command("invert")(invert.invert)
app.command("mix")(mix.mix)
app.command("directions")(directions.directions)
app.command("edit")(edit.edit)
app.command("anomaly")(anomaly.anomaly)
app.command("augment")(augment.augment)
app.command("convert")(convert.convert)
app.command("interpolate")(convert.interpolate)
app.add_typer(evaluate.app, name="evaluate")
app.command("gate")(gate.gate)
app.command("report")(report.report)
app.command("info")(info.info)
app.command("list")(inspect.list_components)
app.command("show")(inspect.show)
app.add_typer(data.app, name="data")
app.command("doctor")(inspect.doctor)
app.command("demo")(demo.demo)


def _print_version(chosen: bool) -> None:
    if chosen:
        print(f"i2i {__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn one kind of image into another: train, translate, measure, export."""


def main() -> None:
    """Entry point of the program `i2i`."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it looks for updates at import, also without a network
    warnings.showwarning = _warn
    sys.exit(run_program(_run, error_sentence))


def _run(arguments: list[str]) -> int:
    return app(args=arguments, standalone_mode=False, prog_name="i2i") or 0


def _warn(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """Our own warnings are sentences for the user; other libraries' are for their developers."""
    if category is UserWarning and isinstance(message, Warning):
        print(f"warning: {message}", file=sys.stderr)
