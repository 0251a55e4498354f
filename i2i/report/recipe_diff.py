"""Differences between the recipes of several runs."""

import tomllib
from collections.abc import Mapping
from typing import Any, NamedTuple


class OptionDifference(NamedTuple):
    """An option with its value in each run as text, empty where a run has no such option."""

    option: str
    values: list[str]


def diff_recipes(recipes: Mapping[str, str]) -> list[OptionDifference]:
    """Options whose values differ between recipes in TOML; a damaged recipe counts as empty."""
    flat = [_flatten(_parse(recipe)) for recipe in recipes.values()]
    options = dict.fromkeys(option for each in flat for option in each)
    columns = {option: [each.get(option, "") for each in flat] for option in options}
    return [OptionDifference(option, values) for option, values in columns.items() if len(set(values)) > 1]


def _parse(recipe: str) -> dict[str, Any]:
    try:
        return tomllib.loads(recipe)
    except tomllib.TOMLDecodeError:
        return {}


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: str(value)}
    return flat
