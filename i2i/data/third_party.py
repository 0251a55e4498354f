"""Other libraries' transforms as components, whose options a recipe can check."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any


def as_component(
    factory: Callable[..., Any], transform: type, options: Iterable[inspect.Parameter], types: dict[str, Any]
) -> Callable[..., Any]:
    """`factory` with the transform's name, the first paragraph of its description, and its options, keyword-only."""
    options = list(options)
    factory.__name__ = transform.__name__
    factory.__doc__ = " ".join((inspect.getdoc(transform) or "").partition("\n\n")[0].split())
    factory.__annotations__ = {option.name: types[option.name] for option in options if option.name in types}
    factory.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [option.replace(kind=option.KEYWORD_ONLY, annotation=option.empty) for option in options]
    )
    return factory


def subclasses(module: Any, base: type, left_out: set[str]) -> dict[str, Any]:
    """The subclasses of `base` in a module by name, without those left out."""
    return {
        name: item
        for name, item in vars(module).items()
        if inspect.isclass(item) and issubclass(item, base) and name not in left_out
    }


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return str(error).strip().splitlines()[0]
