"""`--set a.b=c`: single values of a recipe, changed before it is checked."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

Overrides = Sequence[str] | Mapping[str, Any]  # "train.steps=1000", ...; or {"train.steps": 1000, ...}


def override(table: dict[str, Any], assignments: Overrides) -> dict[str, Any]:
    """Apply assignments in place. Naming another component (`method.generator.name=unet`, or short
    `method.generator=unet`) starts from its defaults. Raises ValueError.
    """
    assignments = [assignments] if isinstance(assignments, str) else assignments
    pairs = (
        [(_path(key, key), value) for key, value in assignments.items()]
        if isinstance(assignments, Mapping)
        else [_assignment(text) for text in assignments]
    )
    # Names first: options that are set beside a new name belong to the new component.
    for path, value in sorted(pairs, key=lambda pair: pair[0][-1] != "name" and not isinstance(pair[1], str)):
        _assign(table, path, value)
    return table


# What is a method's own, but sought where training is set.
_SHORT: dict[tuple[str, ...], list[str]] = {("train", "size"): ["method", "size"]}


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
    return _SHORT.get(tuple(path), path)


def _assign(table: dict[str, Any], path: list[str], value: Any) -> None:
    inner = table
    for key in path[:-1]:
        following = inner.setdefault(key, {})
        if following is False:  # a pipeline step that was left out comes back when one of its options is set
            following = inner[key] = {}
        if not isinstance(following, dict):
            raise ValueError(f"--set {'.'.join(path)}: {key!r} is a value, not a section")
        inner = following
    last = path[-1]
    if last == "name" and inner.get("name", value) != value:
        inner.clear()
    if isinstance(inner.get(last), dict) and "name" in inner[last] and isinstance(value, str):
        inner[last] = {"name": value}
    else:
        inner[last] = value
