"""Class maps: the class of each number, or colour, in a label map, read from JSON, TOML or CSV.

`ignore` marks pixels that do not count; `*` stands for every label that is not listed:

    {"7": "road", "8": "pavement", "0": "ignore"}             JSON: numbers to classes, by name or index
    "128,64,128" = "road"                                     TOML: colours; "#804080" is the same
    "*" = "ignore"
    name,r,g,b                                                CSV: `id` or `r,g,b`, and `class` or `name`
    road,128,64,128
"""

import csv
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2i.label_maps import IGNORE
from i2i.registry import did_you_mean
from i2i_runtime.files import printable

_IGNORE, _WILDCARD = "ignore", "*"
_LISTED = 12  # labels in a message

ClassIndices = NDArray[np.uint8]


@dataclass(frozen=True)
class ClassMap:
    """Maps labels, numbers or colours as 0xRRGGBB, to class indices or 255 (ignored); `name` is for messages.

    `default` is the class of labels that are not listed; None refuses them.
    """

    entries: Mapping[int, int]
    name: str
    in_colour: bool = False
    default: int | None = None

    def __call__(self, labels: NDArray[np.integer], where: str) -> ClassIndices:
        """Class indices (H, W) of labels (H, W). Raises ValueError, naming `where`, for a label without a class."""
        keys = np.array(sorted(self.entries), np.int64)
        classes = np.array([self.entries[key] for key in keys], np.uint8)
        positions = np.minimum(np.searchsorted(keys, labels), len(keys) - 1)
        is_listed = keys[positions] == labels
        if self.default is not None:
            return np.where(is_listed, classes[positions], np.uint8(self.default))
        if not is_listed.all():
            label = self._text_of(int(labels[~is_listed][0]))
            allowed = ", ".join(map(self._text_of, keys[:_LISTED])) + ", ..." * (len(keys) > _LISTED)
            raise ValueError(f"{where}: {label} is not in {self.name}; allowed: {allowed}")
        return classes[positions]

    def _text_of(self, label: int) -> str:
        return f"colour #{label:06x}" if self.in_colour else str(label)


def identity_class_map(count: int) -> ClassMap:
    """Class map for labels that are class indices already."""
    classes = range(count)
    return ClassMap({**{index: index for index in classes}, IGNORE: IGNORE}, name=f"the {count} classes")


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read class names from a text file, class 0 first. Raises ValueError like `check_class_names`, and for none."""
    names = tuple(line.strip() for line in _read_text(path).rstrip().splitlines())
    if not any(names):
        raise ValueError(f"{printable(path)}: no class names in it; allowed: one name a line")
    check_class_names(names, printable(path))
    return names


def check_class_names(names: Sequence[str], where: str) -> None:
    """Raise ValueError, naming `where`, for empty or repeated names, and for more than 255."""
    if not 1 <= len(names) <= IGNORE:
        raise ValueError(f"{where}: {len(names)} classes; allowed: 1 to {IGNORE}")
    for index, name in enumerate(names):
        if not name or name in names[:index]:
            reason = f"name {name!r} is there twice" if name else "is empty"
            raise ValueError(f"{where}: class {index} {reason}; allowed: one name a line, each once")


def read_class_map(path: Path, classes: Sequence[str]) -> ClassMap:
    """Read a class map from a .json, .toml or .csv file. Raises ValueError for other files, and unknown classes."""
    rows = _read_rows(path)
    default = next((_class_index(value, classes, path) for key, value in rows if key == _WILDCARD), None)
    rows = [(key, value) for key, value in rows if key != _WILDCARD]
    in_colour = any(_is_colour(key) for key, _ in rows)
    if not rows or any(_is_colour(key) != in_colour for key, _ in rows):
        found = "both" if rows else "neither"
        raise ValueError(f"{printable(path)}: {found} numbers and colours as keys; allowed: one of the two")
    entries: dict[int, int] = {}
    for key, value in rows:
        if (label := _parse_colour(key, path) if in_colour else _parse_number(key, path)) in entries:
            raise ValueError(f"{printable(path)}: {key!r} is there twice; keep one")
        entries[label] = _class_index(value, classes, path)
    if not in_colour:
        entries.setdefault(IGNORE, IGNORE)
    return ClassMap(entries, printable(path), in_colour, default)


def names_of_class_map(path: Path) -> tuple[str, ...]:
    """Names of the classes in a class map, in the order in which they first appear; empty where it has their numbers.

    Raises ValueError as `read_class_map`.
    """
    values = [str(value) for _, value in _read_rows(path) if value != _IGNORE]
    return () if any(value.isdecimal() for value in values) else tuple(dict.fromkeys(values))


def _read_rows(path: Path) -> list[tuple[str, Any]]:
    """Labels and their classes in a class map's file, as they are written. Raises ValueError for another file."""
    if path.suffix.lower() not in _PARSERS:
        raise ValueError(f"{printable(path)}: not a class map; known suffixes: {' '.join(_PARSERS)}")
    try:
        return _PARSERS[path.suffix.lower()](_read_text(path))
    except (ValueError, csv.Error) as error:  # those of json and tomllib are ValueErrors
        raise ValueError(f"{printable(path)}: not a class map ({error})") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{printable(path)}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{printable(path)}: not a file of text") from None


def _is_colour(key: str) -> bool:
    return "," in key or key.startswith("#")


def _parse_colour(key: str, path: Path) -> int:
    """Colour `128,64,128` or `#804080` as 0xRRGGBB."""
    parts = [key[1:][start : start + 2] for start in (0, 2, 4)] if key.startswith("#") else key.split(",")
    try:
        values = [int(part, 16 if key.startswith("#") else 10) for part in parts]
    except ValueError:
        values = []
    if len(values) != 3 or not all(0 <= value <= 255 for value in values) or (key[0] == "#" and len(key) != 7):
        raise ValueError(f"{printable(path)}: {key!r} is no colour; allowed: '128,64,128' or '#804080'")
    return values[0] << 16 | values[1] << 8 | values[2]


def _parse_number(key: str, path: Path) -> int:
    if not key.isdecimal():
        raise ValueError(
            f"{printable(path)}: {key!r} is no label; allowed: a whole number from 0, a colour, or {_WILDCARD!r}"
        )
    return int(key)


def _class_index(value: object, classes: Sequence[str], path: Path) -> int:
    """Index of a class given by name or by number."""
    if value in classes:
        return classes.index(str(value))
    if value == _IGNORE:
        return IGNORE
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, int) and not isinstance(number, bool) and (number == IGNORE or 0 <= number < len(classes)):
        return number
    raise ValueError(f"{printable(path)}: no class {value!r}; {did_you_mean(str(value), [*classes, _IGNORE])}")


def _parse_json(text: str) -> list[tuple[str, object]]:
    # As pairs, so that repeated keys are noticed.
    pairs = json.loads(text, object_pairs_hook=list)
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise ValueError("allowed: one object of labels to classes")
    return pairs


def _parse_toml(text: str) -> list[tuple[str, Any]]:
    return list(tomllib.loads(text).items())


def _parse_csv(text: str) -> list[tuple[str, Any]]:
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    columns = [name.strip().lower() for name in rows.fieldnames or ()]
    value = next((name for name in ("class", "name") if name in columns), None)
    keys = next((names for names in (("id",), ("r", "g", "b")) if set(names) <= set(columns)), None)
    if value is None or keys is None:
        raise ValueError(f"columns {', '.join(columns) or 'none'}; allowed: id, or r, g, b; and class or name")
    rows.fieldnames = columns
    cells = [{name: (row[name] or "").strip() for name in (*keys, value)} for row in rows]
    return [(",".join(row[name] for name in keys), row[value]) for row in cells]


_PARSERS: Mapping[str, Callable[[str], list[tuple[str, Any]]]] = {
    ".json": _parse_json,
    ".toml": _parse_toml,
    ".csv": _parse_csv,
}
