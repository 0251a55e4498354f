"""`i2i list`, `i2i show`, `i2i doctor`: the components, one recipe, and this machine."""

import re
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.train import Plugins, Set

# Registries by the name of their list.
_LISTS = {
    "methods": "methods",
    "generators": "generators",
    "discriminators": "discriminators",
    "losses": "adversarial",
    "pixel losses": "pixel_losses",
    "perceptual losses": "perceptual",
    "augmentations": "augmentations",
    "batch augmentations": "batch_augmentations",
    "degradations": "degradations",
    "degradation steps": "degradation_steps",
    "schedules": "schedules",
    "optimizers": "optimizers",
    "datasets": "datasets",
}


def list_components(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="generators, methods, losses, metrics, weights, recipes...; all by default.",
            show_default=False,
        ),
    ] = None,
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """List what recipes and `evaluate --metrics` can name."""
    from i2i import recipe, registry
    from i2i.checkpoints.published import overview
    from i2i.evaluate.instruments import METRICS

    registry.load_plugins(plugins)
    if kind is not None and kind not in (choices := (*_LISTS, "metrics", "weights", "recipes")):
        raise ValueError(f"list {kind!r}: {registry.did_you_mean(kind, choices)}")
    for title, name in _LISTS.items():
        if kind in (None, title, title.split()[-1]):  # all losses are losses
            parts: registry.Registry = getattr(registry, name)
            _print(title, {part: _summary(parts[part]) for part in parts})
    if kind in (None, "metrics"):
        _print("metrics", METRICS)
    if kind in (None, "weights"):
        print("weights:", *overview(), sep="\n  ")
    if kind in (None, "recipes"):
        _print(
            f"recipes, in {recipe.recipes_folder()}",
            {name: _recipe_summary(recipe.recipes_folder() / f"{name}.toml") for name in recipe.list_recipes()},
        )


def _print(title: str, rows: dict[str, str]) -> None:
    """A row for each name, wrapped to the width of the terminal; whole lines where a program reads them."""
    print(f"{title}:")
    name_width = max(map(len, rows), default=0)
    width = max(shutil.get_terminal_size().columns, name_width + 40) if sys.stdout.isatty() else sys.maxsize
    indent = " " * (name_width + 4)
    for name, summary in rows.items():
        print(
            textwrap.fill(f"  {name:<{name_width}}  {summary}", width, subsequent_indent=indent, break_long_words=False)
        )


def _summary(part: object) -> str:
    """The first sentence of a component's description or docstring, which names the paper."""
    text = getattr(part, "description", None) or part.__doc__ or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"\.\s+(?=[A-Z`])", paragraph)[0].rstrip(".")  # not behind "et al. 2017"


def _recipe_summary(file: Path) -> str:
    return file.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def show(
    method: Annotated[str, typer.Argument(help="Method, listed recipe, or a recipe file (.toml).")],
    data: Annotated[list[str] | None, typer.Argument(help="As for train.", show_default=False)] = None,
    overrides: Set = [],  # noqa: B006
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Show the whole recipe that `train` with the same words would run, explained, and its networks."""
    import torch

    from i2i import recipe, registry
    from i2i.recipe import components
    from i2i.recipe.annotate import annotated_toml
    from i2i.training.build import takes_label_maps

    registry.load_plugins(plugins)
    chosen, source = recipe.choose(method, data or [], overrides)
    print(f"# {source}\n# augmentation, in this order: {chosen.augment.order()}\n{annotated_toml(chosen)}")
    if chosen.method.get("classes") == 0 and takes_label_maps(chosen):
        print("# networks: of as many classes as the label maps show, which are counted when the run is built")
        return
    with torch.device("meta"):  # sizes without values: at once, and nothing is downloaded
        built = components.build(registry.methods, chosen.method)
    for name, player in built.players().items():
        print(f"# {name}: {sum(weight.numel() for weight in player.parameters()):,} parameters")


def doctor() -> int:
    """Print the versions, extras, devices, folders and plugins of this machine, and what is wrong with them."""
    from i2i.doctor import examine

    findings = examine()
    for finding in findings:
        print(f"{'ok ' if finding.good else 'BAD'}  {finding.what}: {finding.detail}")
    return 0 if all(finding.good for finding in findings) else 1
