"""The manual of recipes and their JSON Schema, generated from section models and component constructors.

`python -m i2i.recipe.manual` writes both into `recipes/`; a test compares them with the files.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel

from i2i import registry
from i2i.recipe import Recipe, list_recipes, recipes_folder
from i2i.recipe.components import Part, options_of
from i2i.recipe.schema import own_names, paragraphs, schema
from i2i.recipe.sections import SUPPLIED, Augment, Collapse, Data, Evaluate, First, Optimizer, Train
from i2i.recipe.types import in_words, limits_in_words

MARK = (
    "<!-- What follows is written by `python -m i2i.recipe.manual`; change the docstrings and descriptions instead. -->"
)
_OTHER_STEPS = """Every transform of albumentations is a step too, by its class name and with its own options
(`i2i list augmentations`). Steps of `[augment.batch]` are kornia's, likewise (`i2i list "batch augmentations"`)."""
SECTIONS: dict[str, type[BaseModel]] = {
    "data": Data,
    "augment": Augment,
    "optimizer": Optimizer,
    "train": Train,
    "collapse": Collapse,
    "evaluate": Evaluate,
    "first": First,
}
COMPONENTS = {
    "Methods": registry.methods,
    "Generators": registry.generators,
    "Discriminators": registry.discriminators,
    "Adversarial losses": registry.adversarial,
    "Pixel losses": registry.pixel_losses,
    "Perceptual losses": registry.perceptual,
    "Degradations": registry.degradations,
    "Degradation steps": registry.degradation_steps,
    "Schedules": registry.schedules,
    "Optimisers": registry.optimizers,
    "Augmentation steps": registry.augmentations,
}


def readme(old: str) -> str:
    """The manual: of `old` what stands above MARK, and then every key."""
    return "\n".join([old.partition(MARK)[0].rstrip(), "", MARK, "", *_lines()]).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield from ("## Files", "", "| recipe | what it is |", "|---|---|")
    for name in list_recipes():
        first = (recipes_folder() / f"{name}.toml").read_text(encoding="utf-8").splitlines()[0]
        yield f"| [{name}]({name}.toml) | {first.lstrip('# ')} |"
    yield from ("", "## Sections", "")
    yield from _top_level()
    for name, model in SECTIONS.items():
        yield from ("", f"### [{name}]", "", paragraphs(model), "")
        yield from _fields(model)
    yield from ("", "## Components", "", "† given by the method where it knows it, and then no key of a recipe.")
    for title, kind in COMPONENTS.items():
        yield from ("", f"### {title}")
        given = {key for part in _parts() if part.registry is kind for key in (*part.supplied, *part.offered)}
        if kind.shared:
            yield from ("", f"The table of every {kind.kind} has these options, too.", "", paragraphs(kind.shared))
            yield from _options(kind.shared, given, left_out=set())
        for name in own_names(kind):
            yield from ("", f"#### {name}", "", _about(kind[name]))
            yield from _options(kind[name], given, left_out=set(SUPPLIED) if kind is registry.optimizers else set())
        if kind is registry.augmentations:
            yield from ("", _OTHER_STEPS)


def _top_level() -> Iterator[str]:
    yield from ("| key | meaning |", "|---|---|")
    for name, field in Recipe.model_fields.items():
        if field.description:
            yield f"| `{name}` | {_cell(field.description)} |"


def _fields(model: type[BaseModel]) -> Iterator[str]:
    yield from ("| key | type | default | meaning |", "|---|---|---|---|")
    for name, field in model.model_fields.items():
        words = in_words(field.annotation) + limits_in_words(field.metadata)
        default = "needed" if field.is_required() else _toml(field.default)
        yield f"| `{name}` | {_cell(words)} | {default} | {_cell(field.description or '')} |"


def _options(component: Any, given: set[str], left_out: set[str]) -> Iterator[str]:
    options = {key: option for key, option in options_of(component).items() if key not in left_out}
    if not options:
        return
    yield from ("", "| option | type | default |", "|---|---|---|")
    for name, (hint, part, default) in options.items():
        words = f"component table: {part.registry.kind}" if part else in_words(hint)
        value = "needed" if default is ... else _toml(default)
        yield f"| `{name}`{'†' * (name in given)} | {_cell(words)} | {value} |"


def _about(component: Any) -> str:
    """A component's docstring, and that of the class which has its constructor."""
    text = paragraphs(component)
    owner = next((cls for cls in getattr(component, "__mro__", ()) if "__init__" in vars(cls)), component)
    return text if owner is component or not owner.__module__.startswith("i2i.") else f"{text}\n\n{paragraphs(owner)}"


def _parts() -> Iterator[Part]:
    for name in registry.methods:
        for _, part, _ in options_of(registry.methods[name]).values():
            if part is not None:
                yield part


def _toml(value: Any) -> str:
    if value is None:
        return "left out"
    if isinstance(value, list | tuple):
        return f"`[{', '.join(_toml(each).strip('`') for each in value)}]`"
    return f"`{tomli_w.dumps({'v': value}).partition('=')[2].strip() or '{}'}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def files(folder: Path) -> dict[Path, str]:
    """The files of the manual and what has to stand in them."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    return {folder / "README.md": readme(text), folder / "schema.json": json.dumps(schema(), indent=1) + "\n"}


if __name__ == "__main__":
    for file, text in files(recipes_folder()).items():
        file.write_text(text, encoding="utf-8")
        print(file)
