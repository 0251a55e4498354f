"""Files of evaluations: metrics of the same data and settings are merged, those of others are refused."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from i2i.evaluate.result import EvaluationResult, write_table
from i2i.training.run_info import fingerprint
from i2i_runtime import images
from i2i_runtime.files import printable

Facts = Mapping[str, str | int]

# Facts that must be equal, with what is said where they are not; files of version 0.1 lack some.
_COMPARED = {
    "checkpoint": "checkpoint {}, not {}",
    "product": "product {}, not {}",
    "weights": "other weights",
    "generated": "the images in {}, not in {}",
    "data": "the data {}, not {}",
    "listing": "other files, by their names and sizes",
    "samples": "--samples {}, not {}",
    "seed": "--seed {}, not {}",
    "resize": "images with or without --resize, other than now",
}
_OF_CLASS = "IoU "  # begins the names of the metrics of a segmenter's classes


def listing_of(files: Any) -> str:
    """Hash of the names and sizes of files, in nested sequences; "" without any."""
    return fingerprint(files)["listing"] if _any_path(files) else ""


def listing_of_folders(folders: Sequence[Path]) -> str:
    """Hash of the names and sizes of the images in folders."""
    return listing_of([folder / name for folder in folders for name in images.list_images(folder)])


def check_mergeable(file: Path, facts: Facts, *, overwrite: bool = False) -> None:
    """Raise ValueError for a file that holds an evaluation of other data or settings, or none, unless `overwrite`."""
    if overwrite or not file.exists():
        return
    earlier = _read(file)
    for key, words in _COMPARED.items():
        before, now = earlier.get(key), facts.get(key)
        if None not in (before, now) and before != now:
            raise ValueError(
                f"{printable(file)}: holds metrics of {words.format(before, now)}; --overwrite replaces them, "
                "another --json FILE keeps both"
            )


def write_merged(result: EvaluationResult, file: Path, *, overwrite: bool = False) -> str:
    """Write a result to a file, atomically, beside the metrics that it holds of the same data and settings.

    Returns a sentence that says so. Raises ValueError like `check_mergeable`.
    """
    check_mergeable(file, result.facts, overwrite=overwrite)
    earlier = _read(file) if file.exists() and not overwrite else {}
    table = result.as_json()
    new = table["metrics"]
    others = any(name.startswith(_OF_CLASS) for name in new)  # perhaps of another segmenter
    kept = {
        name: each
        for name, each in earlier.get("metrics", {}).items()
        if name not in new and not (others and name.startswith(_OF_CLASS))
    }
    table |= {key: earlier[key] for key in _COMPARED if key in earlier and key not in table}
    if kept:
        table["metrics"] = kept | new
        table["images"] = _merge_images(earlier.get("images", []), table["images"])
        table["nearest"] = table["nearest"] or earlier.get("nearest", [])
        table["failed"] = list(dict.fromkeys([*earlier.get("failed", []), *table["failed"]]))
    write_table(table, file)
    return f"written to {printable(file)}" + (f", beside {len(kept)} measured earlier" if kept else "")


def _merge_images(earlier: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Measures of single images by name; the later ones count."""
    merged: dict[str, dict[str, Any]] = {}
    for image in [*earlier, *now]:
        merged.setdefault(image["name"], {}).update(image)
    return list(merged.values())


def _read(file: Path) -> dict[str, Any]:
    """The table in a file. Raises ValueError where it is no evaluation."""
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        valid = isinstance(table["metrics"], dict) and all("name" in each for each in table.get("images", []))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        valid = False
    if not valid:
        raise ValueError(f"{printable(file)}: is there already, and no evaluation; name another, or --overwrite")
    return table


def _any_path(files: Any) -> bool:
    return isinstance(files, Path) or any(map(_any_path, files))
