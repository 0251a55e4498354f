"""Cut large images into overlapping tiles once, so that training need not decode a whole photo for every crop of it."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path

from i2i.data.pairing import by_stem, list_images
from i2i.progress import Progress
from i2i_runtime import images

_GRID_FILE = ".tiles.json"  # the size and step of the tiles beside it, so that no others are mixed with them


@dataclass
class TileReport:
    """The numbers of images cut, tiles written and tiles that existed; a sentence for each image that was not cut."""

    images: int = 0
    written: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)


def tile_folder(
    source: Path,
    target: Path,
    *,
    size: int = 480,
    step: int = 240,
    threads: int = os.cpu_count() or 1,
    progress: Progress | None = None,
) -> TileReport:
    """Cut every image under `source` into `size` x `size` tiles, one every `step` pixels: target/PATH/NAME_s001.png.

    The defaults are those of the published sub-images (Real-ESRGAN, ESRGAN). A side shorter than `size` is not cut, so
    an image smaller than a tile is one tile. Pixels are as stored (16 bits, grey, alpha), in PNG. Existing tiles are
    kept, each is written atomically, and an image that cannot be read does not stop the rest. Memory: `threads` images.
    Raises ValueError, before anything is written, for a source without images, a target that lies in the source or
    holds tiles of another grid, and images whose tiles would have the same names.
    """
    if not 1 <= step <= size:
        raise ValueError(
            f"tile: size {size} and step {step}; allowed: a step of 1 pixel to size, so that nothing is left out"
        )
    paths = _sources(source, target)
    _check_grid(target, {"size": size, "step": step})
    report = TileReport()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for result in pool.map(partial(_cut, source, target, size=size, step=step), paths):
                _add(report, result)
                if progress:
                    progress(report.images + len(report.failed), len(paths))
        finally:
            pool.shutdown(cancel_futures=True)
    return report


def offsets(length: int, size: int, step: int) -> list[int]:
    """Where the tiles along a side of `length` pixels begin: every `step` pixels, and one that ends at the border.

    >>> offsets(1000, 480, 240)
    [0, 240, 480, 520]
    """
    last = max(0, length - size)
    return [*range(0, last, step), last]


def _sources(source: Path, target: Path) -> list[Path]:
    paths = list_images(source)
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{target}: lies in the source, {source}; choose another target")
    for first, *others in by_stem(paths).values():
        if others:
            raise ValueError(
                f"{source / first} and {others[0].name}: their tiles would have the same names; rename one"
            )
    return paths


def _check_grid(target: Path, grid: dict[str, int]) -> None:
    """Write the grid into the target, where it is new. Raises ValueError where it holds tiles of another one."""
    target.mkdir(parents=True, exist_ok=True)
    file, text = target / _GRID_FILE, json.dumps(grid)
    if not file.exists():
        file.write_text(text, encoding="utf-8")
    elif (found := file.read_text(encoding="utf-8")) != text:
        raise ValueError(f"{target}: holds tiles of {found} already, and now {text}; choose another folder")


def _cut(source: Path, target: Path, path: Path, *, size: int, step: int) -> tuple[int, int] | str:
    """(tiles written, tiles that existed) of one image, or the sentence that says why it can't be read."""
    try:
        header = images.header(source / path)
        corners = list(product(offsets(header.height, size, step), offsets(header.width, size, step)))
        stem = target / path.with_suffix("")
        tiles = {stem.with_name(f"{stem.name}_s{number:03d}.png"): corner for number, corner in enumerate(corners, 1)}
        missing = {file: corner for file, corner in tiles.items() if not file.is_file()}
        if missing:
            image = images.read(source / path)
            stem.parent.mkdir(parents=True, exist_ok=True)
            for file, (top, left) in missing.items():
                images.write(file, image[top : top + size, left : left + size])
    except ValueError as error:
        return str(error)
    return len(missing), len(tiles) - len(missing)


def _add(report: TileReport, result: tuple[int, int] | str) -> None:
    if isinstance(result, str):
        report.failed.append(result)
        return
    report.images += 1
    report.written += result[0]
    report.skipped += result[1]
