"""`i2i info`."""

from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.open_model import Product
from i2i.cli.train import Plugins


def info(
    models: Annotated[
        list[Path],
        typer.Argument(help="Runs, checkpoints, files of weights (also published ones), .onnx files, names."),
    ],
    product: Product = None,
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Say what a model is: its architecture, scale, channels, sizes, and the licence if its file has one."""
    from i2i import registry
    from i2i.checkpoints.describe import describe
    from i2i.cli.progress import ProgressLine

    registry.load_plugins(plugins)
    refused = 0
    for model in models:
        try:
            with ProgressLine() as line:
                count = line.count("bytes downloaded")
                facts = list(describe(model, product, progress=count, notify=line.notify))
        except ValueError as error:
            if len(models) == 1:
                raise
            facts, refused = [("refused", str(error))], refused + 1
        print(f"{model}:")
        for name, fact in facts:
            print(f"  {name + ':':<14}{fact}")
    if refused:
        raise ValueError(f"{refused} of {len(models)} are no models that i2i knows")
