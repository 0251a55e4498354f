"""Label maps as they lie on disk, and what their numbers or colours mean.

A file of class names has one name a line; the first one is class 0. A class map says which class each number, or each
colour, of a label map is: `ignore` for pixels that do not count, `*` for all that is not listed. As JSON, TOML or CSV:

    {"7": "road", "8": "pavement", "0": "ignore"}             numbers to classes, by name or by index
    "128,64,128" = "road"                                     TOML, of a map in colours; "#804080" is the same
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

from i2i.metrics.segmentation import IGNORE
from i2i.registry import did_you_mean
from i2i_runtime import images
from i2i_runtime.files import open_file, printable
from i2i_runtime.images import headers

_IGNORED, _REST = "ignore", "*"
_LISTED = 12  # entries in a sentence

ClassIndices = NDArray[np.uint8]


@dataclass(frozen=True)
class ClassMap:
    """Numbers, or colours as 0xRRGGBB, to class indices, 255 for none; `rest` is for what is not listed, None: refused.

    `name` is the file that says so, for sentences.
    """

    entries: Mapping[int, int]
    name: str
    in_colour: bool = False
    rest: int | None = None

    def __call__(self, values: NDArray[np.integer], where: str) -> ClassIndices:
        """(H, W) numbers or packed colours -> (H, W) class indices. Raises ValueError, naming `where`, for others."""
        keys = np.array(sorted(self.entries), np.int64)
        classes = np.array([self.entries[key] for key in keys], np.uint8)
        places = np.minimum(np.searchsorted(keys, values), len(keys) - 1)
        known = keys[places] == values
        if self.rest is not None:
            return np.where(known, classes[places], np.uint8(self.rest))
        if not known.all():
            found = self._shown(int(values[~known][0]))
            allowed = ", ".join(map(self._shown, keys[:_LISTED])) + ", ..." * (len(keys) > _LISTED)
            raise ValueError(f"{where}: {found} is not in {self.name}; allowed: {allowed}")
        return classes[places]

    def _shown(self, key: int) -> str:
        return f"colour #{key:06x}" if self.in_colour else str(key)


def plain(count: int) -> ClassMap:
    """For maps whose numbers are class indices already."""
    classes = range(count)
    return ClassMap({**{index: index for index in classes}, IGNORE: IGNORE}, name=f"the {count} classes")


def read_class_names(path: Path) -> tuple[str, ...]:
    """The names in a file, one a line. Raises ValueError for none, more than 255, an empty line, or a name twice."""
    names = tuple(line.strip() for line in _text(path).rstrip().splitlines())
    if not any(names):
        raise ValueError(f"{printable(path)}: no class names in it; allowed: one name a line")
    check_class_names(names, printable(path))
    return names


def check_class_names(names: Sequence[str], where: str) -> None:
    """Raises ValueError, naming `where`, for names that cannot tell classes apart."""
    if not 1 <= len(names) <= IGNORE:
        raise ValueError(f"{where}: {len(names)} classes; allowed: 1 to {IGNORE}")
    for index, name in enumerate(names):
        if not name or name in names[:index]:
            reason = f"name {name!r} is there twice" if name else "is empty"
            raise ValueError(f"{where}: class {index} {reason}; allowed: one name a line, each once")


def read_class_map(path: Path, classes: Sequence[str]) -> ClassMap:
    """The class map in a .json, .toml or .csv file. Raises ValueError for anything else, and for unknown classes."""
    if path.suffix.lower() not in _READERS:
        raise ValueError(f"{printable(path)}: not a class map; known suffixes: {' '.join(_READERS)}")
    try:
        pairs = _READERS[path.suffix.lower()](_text(path))
    except (ValueError, csv.Error) as error:  # those of json and tomllib are ValueErrors
        raise ValueError(f"{printable(path)}: not a class map ({error})") from None
    rest = next((_class(meant, classes, path) for key, meant in pairs if key == _REST), None)
    pairs = [(key, meant) for key, meant in pairs if key != _REST]
    in_colour = any(_is_colour(key) for key, _ in pairs)
    if not pairs or any(_is_colour(key) != in_colour for key, _ in pairs):
        found = "both" if pairs else "neither"
        raise ValueError(f"{printable(path)}: {found} numbers and colours as keys; allowed: one of the two")
    entries: dict[int, int] = {}
    for key, meant in pairs:
        if (number := _packed(key, path) if in_colour else _number(key, path)) in entries:
            raise ValueError(f"{printable(path)}: {key!r} is there twice; keep one")
        entries[number] = _class(meant, classes, path)
    if not in_colour:
        entries.setdefault(IGNORE, IGNORE)
    return ClassMap(entries, printable(path), in_colour, rest)


def read_label_map(path: Path, *, in_colour: bool) -> NDArray[np.integer]:
    """What a `ClassMap` takes, (H, W): the grey levels or palette indices of a file, or its colours as 0xRRGGBB.

    Raises ValueError for a file that cannot be read, is lossy, or is in colours unless `in_colour`.
    """
    indices = _palette_indices(path)
    if indices is not None and not in_colour:
        return indices
    pixels = images.read(path)
    if not in_colour:
        if (pixels[..., :3] != pixels[..., :1]).any():
            raise ValueError(f"{printable(path)}: a label map in colours; give a class map that says what they mean")
        return pixels[..., 0]
    if pixels.dtype != np.uint8:
        raise ValueError(f"{printable(path)}: 16 bits a channel; allowed for a label map in colours: 8")
    red, green, blue = np.moveaxis(images.with_channels(pixels, 3).astype(np.int64), 2, 0)
    return red << 16 | green << 8 | blue


def _palette_indices(path: Path) -> NDArray[np.uint8] | None:
    """(H, W) of an image with a palette, else None. Raises ValueError for a JPEG, which no label survives."""
    with open_file(path) as stream:
        file = headers.parse(stream, path)
        if file.format == "JPEG":
            raise ValueError(f"{printable(path)}: a JPEG, whose pixels are not exact, as a label map; allowed: PNG")
        if file.mode != "P":
            return None
        try:
            return np.array(file)
        except Exception as error:  # whatever a decoder meets in damaged bytes
            raise ValueError(f"{printable(path)}: {headers.DAMAGED}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{printable(path)}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{printable(path)}: not a file of text") from None


def _is_colour(key: str) -> bool:
    return "," in key or key.startswith("#")


def _packed(key: str, path: Path) -> int:
    parts = [key[1:][place : place + 2] for place in (0, 2, 4)] if key.startswith("#") else key.split(",")
    try:
        values = [int(part, 16 if key.startswith("#") else 10) for part in parts]
    except ValueError:
        values = []
    if len(values) != 3 or not all(0 <= value <= 255 for value in values) or (key[0] == "#" and len(key) != 7):
        raise ValueError(f"{printable(path)}: {key!r} is no colour; allowed: '128,64,128' or '#804080'")
    return values[0] << 16 | values[1] << 8 | values[2]


def _number(key: str, path: Path) -> int:
    if not key.isdecimal():
        raise ValueError(
            f"{printable(path)}: {key!r} is no label; allowed: a whole number from 0, a colour, or {_REST!r}"
        )
    return int(key)


def _class(meant: object, classes: Sequence[str], path: Path) -> int:
    """The index of a class by its name or number."""
    if meant in classes:
        return classes.index(str(meant))
    if meant == _IGNORED:
        return IGNORE
    number = int(meant) if isinstance(meant, str) and meant.isdecimal() else meant
    if isinstance(number, int) and not isinstance(number, bool) and (number == IGNORE or 0 <= number < len(classes)):
        return number
    raise ValueError(f"{printable(path)}: no class {meant!r}; {did_you_mean(str(meant), [*classes, _IGNORED])}")


def _of_json(text: str) -> list[tuple[str, object]]:
    # As pairs, so that a key that is there twice is seen.
    pairs = json.loads(text, object_pairs_hook=list)
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise ValueError("allowed: one object of labels to classes")
    return pairs


def _of_toml(text: str) -> list[tuple[str, Any]]:
    return list(tomllib.loads(text).items())


def _of_csv(text: str) -> list[tuple[str, Any]]:
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    columns = [name.strip().lower() for name in rows.fieldnames or ()]
    meant = next((name for name in ("class", "name") if name in columns), None)
    keys = next((names for names in (("id",), ("r", "g", "b")) if set(names) <= set(columns)), None)
    if meant is None or keys is None:
        raise ValueError(f"columns {', '.join(columns) or 'none'}; allowed: id, or r, g, b; and class or name")
    rows.fieldnames = columns
    found = [{name: (row[name] or "").strip() for name in (*keys, meant)} for row in rows]
    return [(",".join(row[name] for name in keys), row[meant]) for row in found]


_READERS: Mapping[str, Callable[[str], list[tuple[str, Any]]]] = {".json": _of_json, ".toml": _of_toml, ".csv": _of_csv}
