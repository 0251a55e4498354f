"""A folder of samples, one PNG for each seed: to fill a data set, and to go on where it was left."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from i2i_runtime import images
from i2i_runtime.files import write_atomically
from i2i_runtime.seeds import LATENTS, check_seeds

_NOTE = ".i2i-made.json"
_WRITERS = 4  # threads; compressing a PNG takes a CPU's time, not Python's


class Seeded(Protocol):
    """A generator that is asked by seeds."""

    @property
    def classes(self) -> int:
        """How many it has; 0: it takes no labels."""

    @property
    def weights(self) -> str:
        """What its images depend on beside seeds, labels and truncation."""

    def labels_of(self, seeds: Sequence[int], label: int | None = None) -> list[int]:
        """The class of each seed: `label`, or all classes in turn; empty where the generator has none."""

    def __call__(self, seeds: Sequence[int], labels: Sequence[int], *, truncation: float) -> NDArray[np.uint8]:
        """The images (N, H, W, C)."""


class Report(NamedTuple):
    """How many samples were made now, and how many were there already."""

    made: int
    kept: int


def _never() -> bool:
    return False


def sample_folder(
    sampler: Seeded,
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
    check_seeds(seeds, truncation)
    labels = sampler.labels_of(seeds, label)
    names = [Path(name_of(seed, labels[at] if labels else None)) for at, seed in enumerate(seeds)]
    claim(
        folder, names, {"weights": sampler.weights, "truncation": truncation, "latents": LATENTS}, overwrite=overwrite
    )
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
        # A note alone is of work that was ended before it made anything.
        if note.read_text(encoding="utf-8") != text and any(path != note for path in folder.iterdir()):
            raise ValueError(
                f"{folder}: made with other weights, options or version; name another folder, or --overwrite"
            )
    elif not overwrite and (there := next((name for name in names if (folder / name).exists()), None)):
        raise ValueError(f"{folder / there}: is there, but not by this program; name another folder, or --overwrite")
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(note) as temporary:
        temporary.write_text(text, encoding="utf-8")
