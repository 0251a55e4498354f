"""Other libraries' transforms as components, whose options a recipe can check."""

import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from i2i.registry import Registry


def register_all(
    registry: Registry, module: ModuleType, base: type, left_out: set[str], component: Callable[[Any], Any]
) -> None:
    """Register `component(transform)` for every subclass of `base` in a module that is not left out, by its name."""
    for name, item in vars(module).items():
        if inspect.isclass(item) and issubclass(item, base) and name not in left_out:
            registry.register(name)(component(item))


def describe(
    factory: Callable[..., Any], transform: type, options: Iterable[inspect.Parameter], types: dict[str, Any]
) -> Callable[..., Any]:
    """`factory` with the transform's name, the first paragraph of its description, and its options, keyword-only."""
    options = [option.replace(kind=option.KEYWORD_ONLY, annotation=option.empty) for option in options]
    factory.__name__ = transform.__name__
    factory.__doc__ = " ".join((inspect.getdoc(transform) or "").partition("\n\n")[0].split())
    factory.__annotations__ = {option.name: types[option.name] for option in options if option.name in types}
    factory.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return factory
