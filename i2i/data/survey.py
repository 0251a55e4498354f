"""What is in folders of images: every file read once, its size, kind and pixels' digest kept."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from i2i_runtime import images

SPLIT = re.compile(r"(train|test|val)(A|B)?(_labels)?")
_MODES = {1: "grey", 3: "RGB", 4: "RGBA"}


class Seen(NamedTuple):
    """One image that could be read. Equal digests: equal pixels, whatever the file format."""

    height: int
    width: int
    channels: int
    bits: int
    digest: bytes


@dataclass(frozen=True)
class Split:
    """The images of one folder, by path inside it; those that can't be read are missing in `seen`."""

    name: str
    paths: list[Path]
    seen: dict[Path, Seen]

    def line(self) -> str:
        """What is in it, in a line."""
        if not self.seen:
            return f"{self.name}: 0 of {len(self.paths)} images can be read"
        modes = Counter((each.channels, each.bits) for each in self.seen.values())
        kinds = [f"{_MODES[channels]} {bits}-bit" for (channels, bits), _ in modes.most_common()]
        if len(kinds) > 1:
            kinds = [f"{count} {kind}" for kind, (_, count) in zip(kinds, modes.most_common(), strict=True)]
        plural = "s" * (len(self.paths) != 1)
        parts = [f"{self.name}: {len(self.paths)} image{plural}", _sizes(self.seen), ", ".join(kinds)]
        repeated = len(self.seen) - len({each.digest for each in self.seen.values()})
        if repeated:
            parts.append(f"{repeated} repeat another one")
        if len(self.paths) > len(self.seen):
            parts.append(f"{len(self.paths) - len(self.seen)} unreadable")
        return "; ".join(parts)


def find_splits(folders: tuple[Path, ...]) -> list[tuple[str, Path, list[Path]]]:
    """(name, folder, images inside) of all that is to be read."""
    if len(folders) not in (1, 2):
        raise ValueError(f"data: {len(folders)} folders given; allowed: one folder or two")
    parts = [(str(folder), folder) for folder in folders]
    if len(folders) == 1 and folders[0].is_dir():
        inside = sorted((path for path in folders[0].iterdir() if path.is_dir()), key=_order)
        parts = [(path.name, path) for path in inside if SPLIT.fullmatch(path.name)] or parts
    found = [(name, folder, images.list_images(folder)) for name, folder in parts]
    if not any(paths for _, _, paths in found):
        raise ValueError(f"{folders[0]}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    return found


def _order(folder: Path) -> tuple[bool, str]:
    return not folder.name.startswith("train"), folder.name


def looked_at(folder: Path, paths: list[Path], pool: ThreadPoolExecutor) -> Iterator[tuple[Path, Seen | str]]:
    """Each image, or the sentence that says why it can't be read; a few hundred under way, in order."""
    for start in range(0, len(paths), 256):
        some = paths[start : start + 256]
        yield from zip(some, pool.map(_look, [folder / path for path in some]), strict=True)


def _look(path: Path) -> Seen | str:
    try:
        image = images.read(path)
    except ValueError as error:
        return str(error)
    digest = hashlib.blake2b(repr((image.shape, image.dtype)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    height, width, channels = image.shape
    return Seen(height, width, channels, 8 * image.itemsize, digest.digest())


def _sizes(seen: dict[Path, Seen]) -> str:
    """Smallest, middle and largest by the number of pixels, as width x height."""
    sizes = sorted(((each.width, each.height) for each in seen.values()), key=lambda size: (size[0] * size[1], size))
    low, middle, high = (f"{width}x{height}" for width, height in (sizes[0], sizes[len(sizes) // 2], sizes[-1]))
    different = len(set(sizes))
    return f"all {low}" if different == 1 else f"{low} to {high}, median {middle}, {different} sizes"
