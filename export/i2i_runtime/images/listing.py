"""The files of a folder, and its images by suffix, in natural order."""

import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from i2i_runtime.files import printable

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

# Kinds of images and films that are not read, to be named where they lie beside images.
_UNREAD_IMAGES = (".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".exr", ".hdr", ".tga", ".psd", ".dng", ".nef")
FILM_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".y4m")
UNREAD_SUFFIXES = frozenset((*_UNREAD_IMAGES, *FILM_SUFFIXES))


def is_image(path: Path) -> bool:
    """Whether a path has the suffix of an image; the file need not exist."""
    return path.suffix.lower() in SUFFIXES


def check_folder_name(folder: Path) -> None:
    """Raises ValueError where a folder is to be made, by itself or for one in it, with the name of an image or film."""
    for new in (folder, *folder.parents):
        if new.suffix.lower() in (*SUFFIXES, *FILM_SUFFIXES) and not new.is_dir():
            raise ValueError(f"{printable(new)}: the results go into a folder; name one without {new.suffix}")


def list_images(folder: Path) -> list[Path]:
    """Every image under a folder by its suffix, listed as `list_files` does."""
    return list(filter(is_image, list_files(folder)))


def list_files(folder: Path) -> list[Path]:
    """Every file under a folder, relative to it, in natural order (2 before 10).

    Hidden files and folders are left out. Links are followed; a folder to which several paths lead is listed once,
    under the path without links if there is one. Raises ValueError where a folder is missing or may not be listed.
    """
    if not folder.is_dir():
        raise ValueError(f"{printable(folder)}: no such folder")
    return sorted(_walk(folder), key=_natural_order)


def _walk(root: Path) -> Iterator[Path]:
    # A list of what is left, not recursion: folders may be deeper than Python's stack.
    folders, links, seen = [(Path(), os.path.realpath(root))], deque[Path](), set[str]()
    while folders or links:
        if folders:
            inside, here = folders.pop()
        else:
            inside = links.popleft()
            here = os.path.realpath(root / inside)
        if here in seen:
            continue
        seen.add(here)
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            raise ValueError(f"{printable(root / inside)}: cannot be listed ({error.strerror})") from error
        for entry in entries:
            name = inside / entry.name
            if entry.name.startswith("."):
                continue
            if not os.path.isdir(entry.path):  # not entry.is_dir(), which raises for a link to itself
                yield name
            elif entry.is_symlink():
                links.append(name)
            else:
                folders.append((name, entry.path))


def _natural_order(path: Path) -> tuple[list[list[str | int]], str]:
    return [_text_and_numbers(name) for name in path.parts], str(path)


def _text_and_numbers(name: str) -> list[str | int]:
    # Splitting at digits alternates text and number, so that equal positions always compare.
    return [int(piece) if index % 2 else piece for index, piece in enumerate(re.split(r"(\d+)", name))]
