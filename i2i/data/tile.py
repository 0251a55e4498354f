"""Cut large images into overlapping tiles once, so that training need not decode a whole photo for every crop of it."""

import json
import os
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from i2i_runtime import images

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

# Beside the tiles: what they were cut with, so that a second call does not mix others into them.
_GRID = ".tiles.json"


@dataclass
class Report:
    """How many tiles were written, and how many were there already; why some images were not cut, a sentence each."""

    images: int = 0
    written: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)


class _Tile(NamedTuple):
    top: int
    left: int
    path: Path


def tile_folder(
    source: Path,
    target: Path,
    *,
    size: int = 480,
    step: int = 240,
    threads: int = os.cpu_count() or 1,
    progress: Progress | None = None,
) -> Report:
    """Cut every image under `source` into `size` x `size` tiles, one every `step` pixels: target/PATH/NAME_s001.png.

    Tiles begin at 0, step, 2 * step, ... along both axes while they fit, and one more ends at the border where that
    leaves a rest (the published sub-images: 480 and 240). A side shorter than `size` is not cut, so that an image
    smaller than a tile is one tile. Pixels are as stored, in PNG: 16 bits, grey and alpha stay. Tiles that are there
    are not made again, and none is ever half written. An image that can't be read is reported and the rest goes on.
    Memory: `threads` images. Raises ValueError, before anything is done, for a source without images, a target that
    lies in the source or holds tiles of another size or step, and images whose tiles would have the same names.
    """
    if not 1 <= step <= size:
        raise ValueError(
            f"tile: size {size} and step {step}; allowed: a step of 1 pixel to size, so that nothing is left out"
        )
    paths = _sources(source, target)
    _mark(target, {"size": size, "step": step})
    report = Report()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for counts in pool.map(partial(_cut, source, target, size=size, step=step), paths):
                _note(report, counts)
                if progress:
                    progress(report.images + len(report.failed), len(paths))
        finally:
            pool.shutdown(cancel_futures=True)
    return report


def starts(length: int, size: int, step: int) -> list[int]:
    """Where tiles begin along a side of `length` pixels.

    >>> starts(1000, 480, 240)
    [0, 240, 480, 520]
    """
    last = max(0, length - size)
    return [*range(0, last, step), last]


def _sources(source: Path, target: Path) -> list[Path]:
    paths = images.list_images(source)
    if not paths:
        raise ValueError(f"{source}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{target}: lies in the source, {source}; choose another target")
    named = defaultdict(list)
    for path in paths:
        named[path.with_suffix("")].append(path)
    for same in named.values():
        if len(same) > 1:
            raise ValueError(
                f"{source / same[0]} and {same[1].name}: their tiles would have the same names; rename one"
            )
    return paths


def _mark(target: Path, grid: dict[str, int]) -> None:
    """Leave word of the grid in the target, or find the same one there."""
    target.mkdir(parents=True, exist_ok=True)
    mark = target / _GRID
    if not mark.exists():
        mark.write_text(json.dumps(grid), encoding="utf-8")
    elif (found := mark.read_text(encoding="utf-8")) != json.dumps(grid):
        raise ValueError(f"{target}: holds tiles of {found} already, and now {json.dumps(grid)}; choose another folder")


def _cut(source: Path, target: Path, path: Path, *, size: int, step: int) -> tuple[int, int] | str:
    """(tiles written, tiles there already) of one image, or the sentence that says why it can't be read."""
    try:
        header = images.header(source / path)
        places = [(top, left) for top in starts(header.height, size, step) for left in starts(header.width, size, step)]
        stem = target / path.with_suffix("")
        tiles = [_Tile(*place, stem.with_name(f"{stem.name}_s{at:03d}.png")) for at, place in enumerate(places, 1)]
        missing = [tile for tile in tiles if not tile.path.is_file()]
        if missing:
            image = images.read(source / path)
            stem.parent.mkdir(parents=True, exist_ok=True)
            for top, left, result in missing:
                images.write(result, image[top : top + size, left : left + size])
    except ValueError as error:
        return str(error)
    return len(missing), len(tiles) - len(missing)


def _note(report: Report, counts: tuple[int, int] | str) -> None:
    if isinstance(counts, str):
        report.failed.append(counts)
        return
    report.images += 1
    report.written += counts[0]
    report.skipped += counts[1]
