"""What is not the same in the recipes of several runs."""

import tomllib
from collections.abc import Mapping
from typing import Any, NamedTuple


class Difference(NamedTuple):
    option: str
    values: list[str]  # one for each run; empty where a run has no such option


def differing(recipes: Mapping[str, str]) -> list[Difference]:
    """The options that runs do not have in common, from their recipes as TOML; a damaged recipe has no options."""
    flat = [_flat(_parsed(recipe)) for recipe in recipes.values()]
    options = dict.fromkeys(option for each in flat for option in each)
    columns = {option: [each.get(option, "") for each in flat] for option in options}
    return [Difference(option, values) for option, values in columns.items() if len(set(values)) > 1]


def _parsed(recipe: str) -> dict[str, Any]:
    try:
        return tomllib.loads(recipe)
    except tomllib.TOMLDecodeError:
        return {}


def _flat(table: dict[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: str(value)}
    return found
