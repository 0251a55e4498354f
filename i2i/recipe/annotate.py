"""A recipe as TOML with comments: what each section, key and component is, from the descriptions of the manual."""

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from i2i import registry
from i2i.recipe import Recipe
from i2i.recipe.components import options_of
from i2i.recipe.manual import SECTIONS
from i2i.recipe.schema import paragraphs

_COMPONENTS = {
    "method": registry.methods,
    "schedule": registry.schedules,
    "degradation": registry.degradations,
    "optimizer": registry.optimizers,
}
_STEPS = {
    "train": registry.augmentations,
    "test": registry.augmentations,
    "batch": registry.batch_augmentations,
}
_WIDTH = 100


def annotated_toml(recipe: Recipe) -> str:
    """The recipe's file, in which comments stand before the keys that they describe."""
    return "\n".join(_lines(recipe))


def _lines(recipe: Recipe) -> Iterator[str]:
    table, path = recipe.model_dump(mode="json"), list[str]()
    for line in recipe.toml().splitlines():
        if header := re.fullmatch(r"\[([\w.]+)\]", line):
            path = header[1].split(".")
            yield line
            yield from _comment(_describe_table(path, table))
        elif key := re.match(r"(\w+) = ", line):
            yield from _comment(_describe_key(path, key[1]))
            yield line
        else:
            yield line


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)]


def _describe_key(path: list[str], key: str) -> str:
    """The description of a section's key; options of components are described above their table."""
    model = SECTIONS.get(path[0]) if len(path) == 1 else Recipe if not path else None
    field = model.model_fields.get(key) if model else None
    return field.description or "" if field else ""


def _describe_table(path: list[str], table: dict[str, Any]) -> str:
    if path[0] == "augment" and len(path) == 3:
        return _describe(_STEPS[path[1]][path[2]])
    if path[0] in _COMPONENTS:
        return _describe_component(path, table)
    return paragraphs(SECTIONS[path[0]]) if path[0] in SECTIONS and len(path) == 1 else ""


def _describe_component(path: list[str], table: dict[str, Any]) -> str:
    """The docstring of the component whose table is at `path`; empty for tables that name none."""
    kind, chosen = _COMPONENTS[path[0]], table[path[0]]
    for key in path[1:]:
        part = options_of(kind[chosen["name"]]).get(key, (None, None, None))[1] if "name" in chosen else None
        if part is None:
            return ""
        kind, chosen = part.registry, chosen[key]
    return _describe(kind[chosen["name"]]) if "name" in chosen else ""


def _describe(component: object) -> str:
    """A docstring as one paragraph; of other packages' components only the first."""
    ours = getattr(component, "__module__", "").startswith("i2i.")
    text = paragraphs(component)
    return text.replace("\n\n", " ") if ours else text.partition("\n\n")[0]
