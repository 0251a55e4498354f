"""Recipes by the name of a method: packaged files, `recipes/METHOD/DATA.toml`, one for each published run, and the
default table of a method without one.
"""

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from i2i import registry
from i2i.recipe.components import default_table
from i2i.registry import UnknownName


def recipes_folder() -> Path:
    """Where the packaged recipes lie: inside the installed package, or at the top of a checkout."""
    here = Path(__file__).parents[1]
    return here / "recipes" if (here / "recipes").is_dir() else here.parent / "recipes"


def list_recipes() -> list[str]:
    """Every packaged recipe as `method/name`."""
    root = recipes_folder()
    return sorted(str(file.relative_to(root).with_suffix("")) for file in root.glob("*/*.toml"))


def find(method: str, data: Sequence[str] = ()) -> Path:
    """The recipe for a method on some data: the one named after the data set or its folder, else the general one.

    `method` may be the path of a TOML file, or one of `list_recipes`. Raises ValueError where there is none.
    """
    if method.endswith(".toml"):
        if not Path(method).is_file():
            raise ValueError(f"recipe {method}: no such file")
        return Path(method)
    if "/" in method:
        if method not in list_recipes():
            raise UnknownName("recipe", method, list_recipes())
        return recipes_folder() / f"{method}.toml"
    folder = recipes_folder() / method
    if not folder.is_dir():
        # Some have another method's networks or objective: `span`, `lsgan`.
        folders = {name.partition("/")[0] for name in list_recipes()}
        raise UnknownName("method", method, folders.union(registry.methods))
    named = folder / f"{Path(data[0]).resolve().name}.toml" if len(data) == 1 else folder / "general.toml"
    return named if named.is_file() else folder / "general.toml"


def read(file: Path) -> dict[str, Any]:
    """The table in a recipe file, unchecked. Raises ValueError."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"recipe {file}: not valid TOML: {error}") from None


def find_table(method: str, data: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """The recipe for a method on some data as an unchecked table, and in words where it comes from: a file, see `find`,
    or the defaults of a method that has none. Raises ValueError.
    """
    if method.endswith(".toml") or (recipes_folder() / method).is_dir() or method not in registry.methods:
        file = find(method, data)
        return read(file), str(file)
    cls: Any = registry.methods[method]
    table: dict[str, Any] = {
        "method": {"name": method, **default_table(cls)},
        "schedule": {"name": "constant"},
    }
    sections: Mapping[str, Any] = getattr(cls, "default_recipe", {})
    for section, options in deepcopy(dict(sections)).items():
        table[section] = table.get(section, {}) | options
    return table, f"the defaults of {method}"
