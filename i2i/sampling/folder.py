"""A folder of samples, one PNG for each seed: to fill a data set, and to go on where it was left."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i.card import checksum
from i2i.sampling import Sampler, grid
from i2i_runtime import images

_NOTE = ".i2i-made.json"
_WRITERS = 4  # threads; compressing a PNG takes a CPU's time, not Python's
_MOST_COLUMNS = 16


class Report(NamedTuple):
    """How many samples were made now, and how many were there already."""

    made: int
    kept: int


def _never() -> bool:
    return False


def sample_folder(
    sampler: Sampler,
    folder: Path,
    seeds: Sequence[int],
    *,
    label: int | None = None,
    truncation: float = 1.0,
    batch: int = 16,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = _never,
) -> Report:
    """Write `seed0003.png` for every seed; of a generator with classes `class7/seed0003.png`, all classes in turn or
    the one of `label`.

    What is there is not made again, but with `overwrite`. Files appear whole; `progress` is told (files there, files in
    all), and `stop` is asked before each batch. Raises ValueError where the folder holds other samples, and OSError
    where the disk is full, with nothing lost.
    """
    labels = sampler.labels_of(seeds, label)
    names = [Path(name_of(seed, labels[at] if labels else None)) for at, seed in enumerate(seeds)]
    facts = {"weights": checksum(sampler.generator), "truncation": truncation}
    claim(folder, names, facts, overwrite=overwrite)
    due = [at for at, name in enumerate(names) if overwrite or not (folder / name).exists()]
    report = Report(0, len(names) - len(due))
    for parent in {folder / names[at].parent for at in due}:
        parent.mkdir(exist_ok=True)
    with ThreadPoolExecutor(_WRITERS) as writers:
        for begin in range(0, len(due), batch):
            if stop():
                break
            now = due[begin : begin + batch]
            pictures = sampler([seeds[at] for at in now], [labels[at] for at in now if labels], truncation=truncation)
            try:
                list(writers.map(images.write, [folder / names[at] for at in now], pictures))
            except OSError as error:
                done = f"{report.made + report.kept} of {len(names)} are there; make room and give the command again"
                raise OSError(f"{folder}: {error.strerror or error}; {done}") from error
            report = report._replace(made=report.made + len(now))
            progress(report.kept + report.made, len(names))
    return report


def sample_sheet(
    sampler: Sampler, seeds: Sequence[int], *, label: int | None = None, truncation: float = 1.0, batch: int = 16
) -> NDArray[np.uint8]:
    """All samples in one picture (height, width, channels): of all classes a column for each, if they are not too many,
    else as many rows as columns.
    """
    labels = sampler.labels_of(seeds, label)
    parts = [
        sampler(seeds[begin : begin + batch], labels[begin : begin + batch], truncation=truncation)
        for begin in range(0, len(seeds), batch)
    ]
    classes = sampler.generator.classes
    by_class = label is None and 1 < classes <= _MOST_COLUMNS
    return grid(np.concatenate(parts), columns=classes if by_class else math.ceil(math.sqrt(len(seeds))))


def name_of(seed: int, label: int | None = None) -> str:
    """The file of a sample in its folder."""
    return f"seed{seed:04d}.png" if label is None else f"class{label}/seed{seed:04d}.png"


def claim(folder: Path, names: Sequence[Path], facts: Mapping[str, Any], *, overwrite: bool) -> None:
    """Make the folder, with a note of the `facts` (as JSON can hold them) that its files `names` depend on.

    Raises ValueError where it holds such files of other facts, or of somebody else, unless told to `overwrite`.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: a file, where a folder is to be made; name another")
    note, text = folder / _NOTE, json.dumps(facts, indent=1)
    if note.exists() and not overwrite:
        if note.read_text(encoding="utf-8") != text:
            raise ValueError(f"{folder}: made with other weights or options; name another folder, or --overwrite")
    elif not overwrite and (there := next((name for name in names if (folder / name).exists()), None)):
        raise ValueError(f"{folder / there}: is there, but not by this program; name another folder, or --overwrite")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{_NOTE}.part"
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, note)
