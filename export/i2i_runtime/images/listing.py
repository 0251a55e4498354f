"""The image files of a folder, by suffix, in natural order."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from i2i_runtime.files import printable

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def is_image(path: Path) -> bool:
    """Whether a path has the suffix of an image; the file need not exist."""
    return path.suffix.lower() in SUFFIXES


def list_images(folder: Path) -> list[Path]:
    """Every image under a folder by its suffix, relative to it, in natural order (2 before 10).

    Hidden files and folders are left out; links are followed, except back into a folder they lie in.
    Raises ValueError where a folder is missing or may not be listed.
    """
    if not folder.is_dir():
        raise ValueError(f"{printable(folder)}: no such folder")
    return sorted(_walk(folder, Path(), ()), key=_natural_order)


def _walk(root: Path, inside: Path, parents: tuple[str, ...]) -> Iterator[Path]:
    here = os.path.realpath(root / inside)
    if here in parents:
        return
    try:
        entries = list(os.scandir(here))
    except OSError as error:
        raise ValueError(f"{printable(root / inside)}: cannot be listed ({error.strerror})") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if os.path.isdir(entry.path):  # not entry.is_dir(), which raises for a link to itself
            yield from _walk(root, inside / entry.name, (*parents, here))
        elif is_image(Path(entry.name)):
            yield inside / entry.name


def _natural_order(path: Path) -> tuple[list[list[str | int]], str]:
    return [_text_and_numbers(name) for name in path.parts], str(path)


def _text_and_numbers(name: str) -> list[str | int]:
    # Splitting at digits alternates text and number, so that equal positions always compare.
    return [int(piece) if index % 2 else piece for index, piece in enumerate(re.split(r"(\d+)", name))]
