"""Plugins for tests, and a way to forget them."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from i2i import registry
from tests.worlds import SIZES

MANUAL = Path(__file__).parents[1] / "i2i/methods/README.md"


@pytest.fixture
def no_plugins() -> Iterator[None]:
    """Every test starts and ends without plugins, as a new process does."""
    forget_plugins()
    yield
    forget_plugins()


def forget_plugins() -> None:
    for kind in vars(registry).values():
        if isinstance(kind, registry.Registry):
            for name in kind._plugins:
                del kind._parts[name]
            kind._plugins.clear()
    for name in [name for name in sys.modules if name.startswith("i2i_plugin_")]:
        del sys.modules[name]
    registry._imported.clear()
    registry._broken.clear()
    registry._given.clear()


def listing(name: str) -> str:
    """The program of the manual that begins with `# NAME`."""
    (code,) = re.findall(rf"```python\n(# {re.escape(name)}\n.*?)```", MANUAL.read_text(), re.DOTALL)
    return code


def small(*more: str) -> list[str]:
    settings = ["method.discriminator.features=4", "method.discriminator.layers=1", "train.workers=0", *SIZES, *more]
    return [word for text in settings for word in ("--set", text)]
