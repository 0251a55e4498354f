"""Components from tables: the constructor of a registered class is the schema of its table in a recipe.

Nothing is evaluated and nothing misspelt becomes a default.
"""

import inspect
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from i2i.registry import Registry, UnknownName, describe, did_you_mean

STRICT = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, protected_namespaces=(), frozen=True)

Mark = TypeVar("Mark")

# Limits of a number, as pydantic names them, in words.
_BOUNDS = {"ge": "from", "gt": "above", "le": "up to", "lt": "below"}


@dataclass(frozen=True)
class Part:
    """Marks a constructor parameter that is a component itself. The owner supplies some of its options: those in
    `supplied`, which it must have, and those in `offered` that it has. `default` is the name that a recipe starts from
    where no file of it is written.
    """

    registry: Registry
    supplied: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    default: str = ""


@dataclass(frozen=True)
class StepsOf:
    """Marks a constructor parameter that is a pipeline: options by the names of steps, in order."""

    registry: Registry


class Factory:
    """Builds a component from its table and the options that its owner supplies when it calls this."""

    def __init__(self, part: Part, table: dict[str, Any], base: type) -> None:
        self._part, self._table, self._base = part, table, base

    def __call__(self, **supplied: Any) -> Any:
        known = options_in(self._part.registry, self._table["name"])
        taken = {key: value for key, value in supplied.items() if key in known or key not in self._part.offered}
        return build(self._part.registry, {**self._table, **taken}, base=self._base)


def build(kind: Registry, table: dict[str, Any], *, base: type = object) -> Any:
    """Build the component that a checked table describes; it keeps the table as `spec`, and gets the components in it
    as factories.

    Raises ValueError for a component that does not derive from `base` (by default that of its kind) or lacks a member
    or an attribute that this class declares.
    """
    options = {key: value for key, value in table.items() if key != "name"}
    cls: Any = kind[table["name"]]
    base = kind.base if base is object else base
    who = f"{kind.kind} {table['name']!r}: {describe(cls)}"
    if inspect.isclass(cls) and not issubclass(cls, base):
        raise ValueError(f"{who} is no {base.__name__}; derive it from {base.__module__}.{base.__name__}")
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise ValueError(f"{who} has no {', '.join(missing)}, which every {base.__name__} needs")
    for key, (hint, part, _) in options_of(cls).items():
        if part is not None and key in options:
            options[key] = Factory(part, options[key], _product(hint))
    shared = options_of(kind.shared) if kind.shared else {}
    own = {key: value for key, value in options.items() if key in options_of(cls) or key not in shared}
    component = cls(**own)
    if kind.shared:
        kind.shared(**{key: value for key, value in options.items() if key in shared})(component)
    if base is not object:
        component.spec = table
        _check_attributes(component, base, who)
    return component


def _product(hint: Any) -> type:
    """The class X of a factory's type, `Annotated[Callable[..., X], Part(...)]`."""
    callable_args = get_args(get_args(hint)[0])
    return callable_args[1] if len(callable_args) == 2 and inspect.isclass(callable_args[1]) else object


def _check_attributes(component: Any, base: type, who: str) -> None:
    """Raises ValueError for an attribute that `base` declares without a value and the component never sets."""
    for cls in base.__mro__:
        for name in inspect.get_annotations(cls):
            if not hasattr(component, name):
                raise ValueError(f"{who} never sets the attribute {name!r}, which {cls.__name__} declares")


def complete(
    kind: Registry, table: dict[str, Any], where: str, supplied: Iterable[str] = (), offered: Iterable[str] = ()
) -> dict[str, Any]:
    """The table of a component with its defaults filled in, but for what its owner supplies. Raises ValueError for an
    unknown name, key or an ill-typed value.
    """
    if not isinstance(table.get("name"), str):
        raise ValueError(f"{where}: `name` is missing; choose from: {', '.join(kind)}")
    name, options = table["name"], {key: value for key, value in table.items() if key != "name"}
    if name not in kind:
        raise UnknownName(kind.kind, name, kind, where=f"{where}.name")
    known = options_in(kind, name)
    if missing := [key for key in supplied if key not in known]:
        fitting = [each for each in kind if set(supplied) <= set(options_in(kind, each))]
        raise ValueError(f"{where}.name: {name} has no option {missing[0]!r}; choose from: {', '.join(fitting)}")
    left_out = {*supplied, *offered}
    fields: Any = {
        k: (dict if part else hint, default) for k, (hint, part, default) in known.items() if k not in left_out
    }
    model = create_model(f"{kind.kind} {name}", __config__=STRICT, **fields)
    checked = validate(model, options, where).model_dump(mode="json")
    for key, (hint, part, _) in known.items():
        if part is not None and key in checked:
            checked[key] = complete(part.registry, checked[key], f"{where}.{key}", part.supplied, part.offered)
        for steps in marks(hint, StepsOf):
            checked[key] = complete_steps(steps.registry, checked[key], f"{where}.{key}")
    return {"name": name, **checked}


def complete_steps(kind: Registry, steps: dict[str, Any], where: str) -> dict[str, Any]:
    """The tables of a pipeline, step name -> options, with their defaults; without the steps that are False. Raises
    ValueError like `complete`.
    """
    filled = {}
    for name, options in steps.items():
        if name not in kind:
            raise UnknownName("step", name, kind, where=f"recipe: {where}")
        if options is not False:
            filled[name] = complete(kind, {"name": name, **options}, f"{where}.{name}")
            del filled[name]["name"]
    return filled


def default_table(cls: Callable[..., Any]) -> dict[str, Any]:
    """The components that a component starts from, as the tables of a recipe."""
    parts = {key: part for key, (_, part, _) in options_of(cls).items() if part is not None and part.default}
    return {
        key: {"name": part.default, **default_table(part.registry[part.default])}  # type: ignore[arg-type]
        for key, part in parts.items()
    }


def plugins_of(kind: Registry, table: dict[str, Any]) -> set[str]:
    """The plugins, by `Registry.plugin_of`, of a component and of those that its completed table names."""
    found = {kind.plugin_of(table["name"])}
    for key, (_, part, _) in options_of(kind[table["name"]]).items():
        if part is not None and key in table:
            found |= plugins_of(part.registry, table[key])
    return found


def validate(model: type[BaseModel], table: dict[str, Any], where: str) -> Any:
    """`table` as `model`; raises ValueError with one sentence about the first thing that is wrong."""
    try:
        # Through JSON, so that a TOML array may be a tuple while text stays refused where a number belongs.
        return model.model_validate_json(json.dumps(table, allow_nan=False))
    except ValidationError as error:
        # A misspelt option is the cause where another one is missing because of it.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise ValueError(_sentence(model, table, problems[0], where)) from None
    except ValueError:
        raise ValueError(f"recipe: {where or 'a value'}: not a finite number") from None


def _sentence(model: type[BaseModel], table: Any, problem: Any, where: str) -> str:
    path: list[str] = []
    for part in problem["loc"]:
        if not isinstance(table, dict):
            break  # what follows are places in a list, or names of types where a value may be of several
        path.append(str(part))
        table = table.get(part)
    key = ".".join(filter(None, [where, *path]))
    if problem["type"] == "extra_forbidden":
        for name in path[:-1]:
            inner: Any = model.model_fields[name].annotation
            model = next(iter(get_args(inner)), inner)  # of `First | None` the first
        return f"recipe: unknown option {key!r}; {did_you_mean(path[-1], model.model_fields)}"
    if problem["type"] == "missing" and table is None:
        return f"recipe: {key} is missing"
    for bound, words in _BOUNDS.items():
        if bound in problem.get("ctx", {}) and isinstance(problem["input"], int | float):
            return f"recipe: {key} = {json.dumps(problem['input'])}: allowed: {words} {problem['ctx'][bound]:,g}"
    return f"recipe: {key} = {json.dumps(problem['input'])}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def options_in(kind: Registry, name: str) -> dict[str, tuple[Any, Part | None, Any]]:
    """The options in the table of a component, as `options_of` gives them: those of its kind and its own."""
    shared = options_of(kind.shared) if kind.shared else {}
    return options_of(kind[name]) | {key: option for key, option in shared.items() if key not in options_of(kind[name])}


def marks(hint: Any, kind: type[Mark]) -> list[Mark]:
    """The marks of a kind on a type, as `Annotated[type, mark]` has them."""
    return [mark for mark in get_args(hint)[1:] if isinstance(mark, kind)] if get_origin(hint) is Annotated else []


@cache
def options_of(cls: Callable[..., Any]) -> dict[str, tuple[Any, Part | None, Any]]:
    """The keyword-only parameters of a component: type, what component it is if it is one, and default."""
    hints = get_type_hints(cls.__init__ if inspect.isclass(cls) else cls, include_extras=True)
    found = {}
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise ValueError(
                f"{describe(cls)}: parameter {parameter.name!r} must be keyword-only to be set from a recipe"
            )
        hint = hints.get(parameter.name, Any)
        part = next(iter(marks(hint, Part)), None)
        found[parameter.name] = (hint, part, ... if parameter.default is parameter.empty else parameter.default)
    return found
