"""What the folders of a data set hold: every image is read once, and its size, mode and a digest of its pixels kept."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from i2i.data.layouts import find_domains
from i2i.data.pairing import no_images
from i2i_runtime import images

SPLIT = re.compile(r"(train|test|val)(A|B)?(_labels)?")
_MODES = {1: "grey", 3: "RGB", 4: "RGBA"}
_CHUNK = 256  # images scheduled at a time


class ImageFacts(NamedTuple):
    """An image that could be read. Equal digests are equal pixels, whatever the file format."""

    height: int
    width: int
    channels: int
    bits: int
    digest: bytes

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Split:
    """The images of one folder, by path inside it; `facts` lacks those that cannot be read."""

    name: str
    paths: list[Path]
    facts: dict[Path, ImageFacts]

    def line(self) -> str:
        """Counts, sizes and modes in one line."""
        facts = self.facts.values()
        if not facts:
            return f"{self.name}: 0 of {len(self.paths)} images can be read"
        parts = [f"{self.name}: {len(self.paths)} image{'s' * (len(self.paths) != 1)}", _sizes(self), _modes(self)]
        if repeated := len(facts) - len({image.digest for image in facts}):
            parts.append(f"{repeated} repeat another one")
        if unreadable := len(self.paths) - len(facts):
            parts.append(f"{unreadable} unreadable")
        return "; ".join(parts)


def find_splits(folders: tuple[Path, ...]) -> list[tuple[str, Path, list[Path]]]:
    """(name, folder, images inside) of each split of the layout, else of each folder.

    In every layout trainA is the name of a's images for training, and so on. Raises ValueError for another number of
    folders than one or two, for a missing one, an ambiguous layout, and where there are no images.
    """
    if len(folders) not in (1, 2):
        raise ValueError(f"data: {len(folders)} folders given; allowed: one folder or two")
    domains = find_domains(folders)
    named = [(f"{split}{side}", both[side == "B"]) for split, both in domains.items() for side in "AB"]
    splits = [(name, path) for name, path in named if path]
    if folders == tuple(path for _, path in splits):
        splits = [(str(folder), folder) for folder in folders]
    elif set(domains) == {"train"} and all(path.parent == folders[0] for _, path in splits):
        splits = [(path.name, path) for _, path in splits]
    if len(folders) == 1 and folders[0].is_dir():
        inside = [path for path in folders[0].iterdir() if path.is_dir() and SPLIT.fullmatch(path.name)]
        # Beside domains, only their label maps are splits of their own: train/ may hold A/ and B/.
        splits += [(path.name, path) for path in inside if not splits or path.name.endswith("_labels")]
        splits.sort(key=lambda split: (not split[0].startswith("train"), split[0]))
    splits = splits or [(str(folder), folder) for folder in folders]
    found = [(name, folder, images.list_images(folder)) for name, folder in splits]
    if not any(paths for _, _, paths in found):
        raise no_images(folders[0])
    return found


def read_facts(folder: Path, paths: list[Path], pool: ThreadPoolExecutor) -> Iterator[tuple[Path, ImageFacts | str]]:
    """The facts of each image, or the sentence that says why it cannot be read, in the order of `paths`."""
    for start in range(0, len(paths), _CHUNK):
        chunk = paths[start : start + _CHUNK]
        yield from zip(chunk, pool.map(_read_facts, [folder / path for path in chunk]), strict=True)


def _read_facts(path: Path) -> ImageFacts | str:
    try:
        image = images.read(path)
    except ValueError as error:
        return str(error)
    digest = hashlib.blake2b(repr((image.shape, image.dtype)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    height, width, channels = image.shape
    return ImageFacts(height, width, channels, 8 * image.itemsize, digest.digest())


def _modes(split: Split) -> str:
    modes = Counter((image.channels, image.bits) for image in split.facts.values()).most_common()
    counts = [f"{count} " if len(modes) > 1 else "" for _, count in modes]
    return ", ".join(
        f"{count}{_MODES[channels]} {bits}-bit" for count, ((channels, bits), _) in zip(counts, modes, strict=True)
    )


def _sizes(split: Split) -> str:
    """The smallest, median and largest size by the number of pixels."""
    sizes = sorted((each.width * each.height, each.width, each.size) for each in split.facts.values())
    smallest, median, largest = (sizes[place][-1] for place in (0, len(sizes) // 2, -1))
    different = len(set(sizes))
    return f"all {smallest}" if different == 1 else f"{smallest} to {largest}, median {median}, {different} sizes"
