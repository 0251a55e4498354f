"""Types of options in words and as JSON Schema, for the manual of recipes and for editors."""

import json
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from i2i.recipe.sections import Steps

Schema = dict[str, Any]

_PLAIN: dict[Any, tuple[str, Schema]] = {
    int: ("whole number", {"type": "integer"}),
    float: ("number", {"type": "number"}),
    bool: ("true or false", {"type": "boolean"}),
    str: ("text", {"type": "string"}),
    Any: ("anything", {}),
    Steps: ("steps with their options", {"type": "object"}),
}
# Attributes of pydantic's limits: in words, and as JSON Schema has them.
_LIMITS = {
    "ge": ("from {}", "minimum"),
    "gt": ("above {}", "exclusiveMinimum"),
    "le": ("up to {}", "maximum"),
    "lt": ("below {}", "exclusiveMaximum"),
}


def in_words(hint: Any) -> str:
    """A type for readers: `whole number`, `2 numbers`, `"a"` or `"b"`."""
    limits = limits_in_words(_limits(hint))
    hint, kind, inner = _parted(hint)
    if hint in _PLAIN:
        return _PLAIN[hint][0] + limits
    if kind is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in inner)
    if kind is Union:
        return " or ".join(in_words(each) for each in inner)
    if kind is tuple:
        return f"{len(inner)} {_plural(inner[0])}"
    if kind is list:
        return f"list of {_plural(inner[0])}"
    return f"table of {_plural(inner[1])}" if kind is dict and inner[1] is not Any else "table"


def _plural(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return in_words(hint)
    words, comma, limits = in_words(hint).partition(",")
    return f"{words}s{comma}{limits}" if words.isalpha() or words.endswith("number") else f"times ({words})"


def as_schema(hint: Any) -> Schema:
    """A type as JSON Schema, draft 7, which editors of TOML take."""
    limits = limits_as_schema(_limits(hint))
    hint, kind, inner = _parted(hint)
    if hint in _PLAIN:
        return _PLAIN[hint][1] | limits
    if kind is Literal:
        return {"enum": list(inner)}
    if kind is Union:
        return {"anyOf": [as_schema(each) for each in inner]} if len(inner) > 1 else as_schema(inner[0])
    if kind is tuple:
        items = [as_schema(each) for each in inner]
        return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
    if kind is list:
        return {"type": "array", "items": as_schema(inner[0])}
    if kind is dict:
        return {"type": "object", "additionalProperties": as_schema(inner[1])}
    return _model_schema(hint) if issubclass(hint, BaseModel) else {"type": "object"}


def limits_in_words(metadata: Sequence[Any]) -> str:
    """Limits of a number, as `, from 0, below 1`."""
    found = [
        words.format(f"{getattr(each, key):g}")
        for each in metadata
        for key, (words, _) in _LIMITS.items()
        if hasattr(each, key)
    ]
    return "".join(f", {words}" for words in found)


def limits_as_schema(metadata: Sequence[Any]) -> Schema:
    """Limits of a number as JSON Schema."""
    return {name: getattr(each, key) for each in metadata for key, (_, name) in _LIMITS.items() if hasattr(each, key)}


def _limits(hint: Any) -> list[Any]:
    """The limits in the annotations of a type, as `Annotated[float, Field(gt=0)]` has them."""
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return [limit for extra in extras for limit in getattr(extra, "metadata", ())]


def _parted(hint: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """The type without annotations, its kind and what it holds; None, for which TOML has no word, is left out."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return hint, Union, tuple(each for each in inner if each is not NoneType)
    return hint, dict if kind is Mapping else kind, inner


def _model_schema(model: type[BaseModel]) -> Schema:
    """A section: its keys with their descriptions, and no others."""
    properties = {
        name: {
            **as_schema(field.annotation),
            **limits_as_schema(field.metadata),
            "description": field.description or " ".join((field.annotation.__doc__ or "").split()),
        }
        for name, field in model.model_fields.items()
    }
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return {"type": "object", "properties": properties, "additionalProperties": False} | needed(required)


def needed(keys: list[str]) -> Schema:
    """JSON Schema that requires these keys."""
    return {"required": keys} if keys else {}
