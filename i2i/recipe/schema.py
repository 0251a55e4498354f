"""JSON Schema of recipes, draft 7, for editors of TOML."""

import inspect
from typing import Any

from i2i import registry
from i2i.recipe import Recipe
from i2i.recipe.components import Part, options_in, options_of
from i2i.recipe.sections import SUPPLIED, Optimizer
from i2i.recipe.types import Schema, as_schema, needed
from i2i.registry import Registry

_NONE: Schema = {"type": "object", "maxProperties": 0}  # as a run keeps a degradation that is left out


def schema() -> Schema:
    """Schema of a recipe file. Unknown keys are refused, but for components and steps of other packages."""
    root, shared = as_schema(Recipe), dict[str, Schema]()
    for key, part in {
        "method": Part(registry.methods),
        "schedule": Part(registry.schedules),
        "degradation": Part(registry.degradations, ("scale",)),
    }.items():
        root["properties"][key] |= {"anyOf": [_component(part, shared), *([_NONE] if key == "degradation" else [])]}
    root["properties"]["optimizer"] = _optimizer(shared)
    steps = {
        name: {"anyOf": [_table(registry.augmentations[name], shared), {"enum": [False]}]}
        for name in own_names(registry.augmentations)
    }
    for key in ("train", "test"):
        root["properties"]["augment"]["properties"][key] |= {"properties": steps}
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Recipe of i2i"}
    return head | root | {"definitions": shared}


def own_names(kind: Registry) -> list[str]:
    """Names of this package's components: not of plugins', nor of the transforms of other libraries, in capitals."""
    return [name for name in kind if name.islower() and kind[name].__module__.startswith("i2i.")]


def paragraphs(component: Any) -> str:
    """A docstring with one line for each paragraph."""
    return "\n\n".join(" ".join(text.split()) for text in (inspect.getdoc(component) or "").split("\n\n"))


def _component(part: Part, shared: dict[str, Schema]) -> Schema:
    """Reference to a table with a component's name and options, which is put into `shared`."""
    kind, key = part.registry, "-".join([part.registry.kind.replace(" ", "-"), *part.supplied, *part.offered])
    if key not in shared:
        names = [name for name in own_names(kind) if set(part.supplied) <= set(options_in(kind, name))]
        left_out = {*part.supplied, *part.offered}
        other: Schema = {
            "type": "object",
            "properties": {"name": {"type": "string", "not": {"enum": names}}},
            "required": ["name"],
        }
        shared[key] = {}  # a component may have one of its own kind in it
        tables = (_table(kind[name], shared, name, left_out, options_in(kind, name)) for name in names)
        shared[key] = {"anyOf": [*tables, other]}
    return {"$ref": f"#/definitions/{key}"}


def _optimizer(shared: dict[str, Schema]) -> Schema:
    """Table of an optimiser, the default one where it has no name, with tables of players."""
    kind, default = registry.optimizers, Optimizer().name
    named = {name: _table(kind[name], shared, name, set(SUPPLIED)) for name in own_names(kind)}
    unnamed = {name: {key: value for key, value in table.items() if key != "required"} for name, table in named.items()}
    other: Schema = {"properties": {"name": {"type": "string", "not": {"enum": list(named)}}}, "required": ["name"]}
    shared["player"] = {"type": "object", "anyOf": [*unnamed.values(), other]}
    players = {"players": {"type": "object", "additionalProperties": {"$ref": "#/definitions/player"}}}
    tables = (named | {default: unnamed[default]}).values()
    return {"anyOf": [*(table | {"properties": table["properties"] | players} for table in tables), other]}


def _table(
    component: Any,
    shared: dict[str, Schema],
    name: str = "",
    left_out: set[str] | None = None,
    known: dict[str, Any] | None = None,
) -> Schema:
    """Table of one component's options, by default its own; with its `name`, if it has one."""
    options = {key: option for key, option in (known or options_of(component)).items() if key not in (left_out or ())}
    named: Schema = {"name": {"enum": [name]}} if name else {}
    properties = {
        key: _component(part, shared) if part else as_schema(hint) for key, (hint, part, _) in options.items()
    }
    required = [*named, *(key for key, (_, _, default) in options.items() if default is ...)]
    facts = {"type": "object", "description": paragraphs(component).split("\n")[0], "additionalProperties": False}
    return facts | {"properties": named | properties} | needed(required)
