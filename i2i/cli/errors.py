"""Errors as sentences for the user."""

import re

from typer.exceptions import TyperException

from i2i.registry import plugin_line
from i2i_runtime.signals import describe_error

_BOUND = re.compile(r"Input should be (greater|less) than or equal to (\S+)")


def error_sentence(error: Exception) -> str:
    """One sentence about an error; one that is not the user's names its type, one in a plugin its line."""
    if isinstance(error, TyperException):
        return f"{_BOUND.sub(_allowed, error.format_message())} (see --help)"
    where = plugin_line(error)
    if isinstance(error, ValueError | ArithmeticError):
        name = "ZeroDivisionError: " if isinstance(error, ZeroDivisionError) else ""
        return f"{where}: {name}{error}" if where and where not in str(error) else f"{name}{error}"
    if "out of memory" in str(error):
        return "out of memory: use smaller images (augment.train.crop.size), fewer features, or another --device"
    if where and not isinstance(error, OSError):
        words = " ".join(str(error).split())[:300]
        return f"{where}: {type(error).__name__}: {words} (run again with --debug for the traceback)"
    return describe_error(error)


def _allowed(bound: re.Match[str]) -> str:
    """The range of an option in the words of all other refusals, which are not those of the library that checks it."""
    return f"allowed: {'from' if bound[1] == 'greater' else 'up to'} {bound[2]}"
