"""`--set a.b=c`: single values of a recipe, changed before it is checked."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from i2i import registry
from i2i.recipe.components import options_of
from i2i.recipe.pipelines import add_step, role_of, set_size

Overrides = Sequence[str] | Mapping[str, Any]  # "train.steps=1000", ...; or {"train.steps": 1000, ...}


def override(table: dict[str, Any], assignments: Overrides) -> dict[str, Any]:
    """Apply assignments in place. Naming another component (`method.generator.name=unet`, or short
    `method.generator=unet`) starts from its defaults. A new step of a pipeline takes the place of the one of its role,
    see `i2i.recipe.pipelines.add_step`; `train.size` sets all sizes. Raises ValueError.
    """
    assignments = [assignments] if isinstance(assignments, str) else assignments
    pairs = (
        [(_path(key, key), value) for key, value in assignments.items()]
        if isinstance(assignments, Mapping)
        else [_assignment(text) for text in assignments]
    )
    for path, size in [pair for pair in pairs if pair[0] == ["train", "size"]]:
        _set_size(table, path, size)
        pairs.remove((path, size))
    _check_roles(table, [path for path, value in pairs if _is_step(path) and value is not False])
    # Names first: options that are set beside a new name belong to the new component.
    for path, value in sorted(pairs, key=lambda pair: pair[0][-1] != "name" and not isinstance(pair[1], str)):
        _assign(table, path, value)
    return table


def _assignment(text: str) -> tuple[list[str], Any]:
    key, equals, value = text.partition("=")
    path = _path(key if equals else "", text)
    try:
        return path, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return path, value.strip()


def _path(key: str, text: str) -> list[str]:
    path = key.strip().split(".")
    if not all(path):
        raise ValueError(f"--set {text!r}: write it as section.option=value, for example train.steps=2000")
    return path


def _set_size(table: dict[str, Any], path: list[str], size: Any) -> None:
    """`train.size`: the method's own option where it has one."""
    if not isinstance(size, int):
        raise ValueError(f"train.size = {size!r} is refused; allowed: a whole number of pixels")
    method = table.get("method", {}).get("name")
    if method in registry.methods and "size" not in options_of(registry.methods[method]):
        set_size(table, size)
    else:
        _assign(table, ["method", "size"], size)


def _is_step(path: list[str]) -> bool:
    return len(path) > 2 and path[0] == "augment" and path[1] in ("train", "test")


def _pipeline(table: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """The augmentation pipeline that holds a step."""
    return table.setdefault("augment", {}).setdefault(path[1], {})


def _check_roles(table: dict[str, Any], paths: list[list[str]]) -> None:
    """Raises ValueError where two steps of one role are set, of which one would replace the other."""
    named = dict.fromkeys((path[1], path[2]) for path in paths)
    for part, name in named:
        for other in [step for pipeline, step in named if pipeline == part and step != name]:
            if role_of(name) and role_of(name) == role_of(other) and name not in _pipeline(table, ["augment", part]):
                raise ValueError(
                    f"--set augment.{part}: {other} and {name} have one role, {role_of(name)}, and one place; for "
                    f"both, set the whole pipeline: --set 'augment.{part}={{{other} = {{...}}, {name} = {{...}}}}'"
                )


def _assign(table: dict[str, Any], path: list[str], value: Any) -> None:
    inner = table
    if _is_step(path) and value is not False and path[2] not in _pipeline(table, path):
        add_step(_pipeline(table, path), path[2], {})
    for key in path[:-1]:
        following = inner.setdefault(key, {})
        if following is False:  # a pipeline step that was left out comes back when one of its options is set
            following = inner[key] = {}
        if not isinstance(following, dict):
            raise ValueError(f"--set {'.'.join(path)}: {key!r} is a value, not a section")
        inner = following
    last = path[-1]
    if path[-2:] == ["train", "epochs"]:
        inner["steps"] = 0  # which the run or the recipe may have, and would count alone
    if last == "name" and inner.get("name", value) != value:
        inner.clear()
    if isinstance(inner.get(last), dict) and "name" in inner[last] and isinstance(value, str):
        inner[last] = {"name": value}
    else:
        inner[last] = value
