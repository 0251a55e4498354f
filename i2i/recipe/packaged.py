"""Packaged recipes: one TOML file for each published run, `recipes/METHOD/DATA.toml`."""

from collections.abc import Sequence
from pathlib import Path

from i2i import registry
from i2i.registry import did_you_mean


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

    `method` may be the path of a TOML file. Raises ValueError where there is none.
    """
    if method.endswith(".toml"):
        if not Path(method).is_file():
            raise ValueError(f"recipe {method}: no such file")
        return Path(method)
    folder = recipes_folder() / method
    if not folder.is_dir():
        known = {name.split("/")[0] for name in list_recipes()}
        if method in registry.methods:
            raise ValueError(
                f"method {method!r} has no packaged recipe; give one as a TOML file: i2i train my.toml DATA"
            )
        raise ValueError(f"unknown method {method!r}; {did_you_mean(method, known)}")
    named = folder / f"{Path(data[0]).resolve().name}.toml" if len(data) == 1 else folder / "general.toml"
    return named if named.is_file() else folder / "general.toml"
