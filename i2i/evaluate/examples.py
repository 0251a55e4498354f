"""Images to measure upscalers on: the truth, and low-resolution files of the same names if there are any."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from i2i_runtime import images


class Example(NamedTuple):
    """One image to measure on: the truth, and the low-resolution file if it is not to be made from it."""

    name: Path
    truth: Path
    low: Path | None = None


def find_examples(truth: Path, low: Path | None = None, *, scale: int = 1) -> list[Example]:
    """Every image under `truth`, each with the one of the same stem under `low` (`x4` may follow it), if that is given.

    Raises ValueError for a folder that is missing or empty, and for images without a partner in `low`.
    """
    names = images.list_images(truth)
    if not names:
        raise ValueError(f"{truth}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    if low is None:
        return [Example(name, truth / name) for name in names]
    partners: dict[Path, Path] = {}
    for path in images.list_images(low):
        if path.with_suffix("") in partners:
            raise ValueError(f"{low}: two images are called {path.with_suffix('')}; keep one")
        partners[path.with_suffix("")] = low / path
    found = {name: _partner(name, partners, scale) for name in names}
    alone = [str(truth / name) for name, partner in found.items() if partner is None]
    if alone:
        rest = ", …" if len(alone) > 3 else ""
        raise ValueError(f"{low}: {len(alone)} of {len(names)} images are not in it: {', '.join(alone[:3])}{rest}")
    return [Example(name, truth / name, partner) for name, partner in found.items()]


def _partner(name: Path, partners: Mapping[Path, Path], scale: int) -> Path | None:
    stem = name.with_suffix("")
    return partners.get(stem) or partners.get(stem.with_name(f"{stem.name}x{scale}"))
