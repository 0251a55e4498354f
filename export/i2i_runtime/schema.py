"""Facts from JSON that a stranger may have written: checked against the fields of a dataclass before they are used."""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

_T = TypeVar("_T")
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "null"}
_SHOWN = 40  # characters of a refused value
_LARGEST = 2**63  # of whole numbers, of which the nanoseconds of a time are large ones


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, also where it is nested so deeply that it cannot be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply; copy or download it again") from None


def from_facts(kind: type[_T], facts: Any, where: str) -> _T:
    """An instance of a dataclass from the facts that JSON holds of it; arrays become tuples.

    Raises ValueError that names `where` and the field, for one that is missing, unknown or of another type, and what
    the dataclass itself raises.
    """
    if not isinstance(facts, Mapping):
        raise ValueError(f"{where} is {_shown(facts)}, not a table of facts")
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(facts) - set(known)):
        raise ValueError(f"{where}: unknown {_shown(unknown[0])}; made by a newer version, which reads it, or damaged")
    for name, each in known.items():
        if name not in facts and each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f"{where}: {name!r} is missing")
    hints = get_type_hints(kind)
    return kind(**{name: _checked(hints[name], value, f"{where}: {name}") for name, value in facts.items()})


def _checked(hint: Any, value: Any, where: str) -> Any:
    """The value as the type `hint`. Raises ValueError."""
    outer, inner = get_origin(hint), get_args(hint)
    if outer in (Union, UnionType):
        optional = value is None and NoneType in inner
        return None if optional else _checked(next(each for each in inner if each is not NoneType), value, where)
    if is_dataclass(hint) and isinstance(hint, type):
        return from_facts(hint, value, where)
    if outer is Literal:
        if value not in inner:
            raise ValueError(f"{where} is {_shown(value)}; choose from: {', '.join(inner)}")
        return value
    if outer is tuple:
        return _checked_items(inner, value, where)
    if outer is not None and issubclass(outer, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(f"{where} is {_shown(value)}, not a table")
        return {key: _checked(inner[1], each, where) for key, each in value.items()}
    if hint is not Any and not _is_a(hint, value):
        raise ValueError(f"{where} is {_shown(value)}; allowed: {_WORDS[hint]}")
    return value


def _checked_items(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    number = None if inner[-1] is Ellipsis else len(inner)
    if not isinstance(value, (list, tuple)) or number not in (None, len(value)):
        raise ValueError(f"{where} is {_shown(value)}; allowed: a list" + (f" of {number}" if number else ""))
    hints = inner if number else inner[:1] * len(value)
    return tuple(_checked(each, item, where) for each, item in zip(hints, value, strict=True))


def _is_a(hint: type, value: Any) -> bool:
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    if isinstance(value, int):
        return hint in (int, float) and abs(value) <= _LARGEST
    return isinstance(value, hint) and not (isinstance(value, float) and not math.isfinite(value))


def _shown(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a table"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a number of many digits"  # which Python refuses to write
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
