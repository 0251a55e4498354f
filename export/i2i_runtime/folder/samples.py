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


class SeededGenerator(Protocol):
    """A generator of images from noise as a function of seeds; `engine` and `provider` say what runs it."""

    engine: str
    provider: str

    @property
    def classes(self) -> int:
        """Number of classes; 0: it takes no labels."""

    @property
    def weights(self) -> str:
        """Checksum of the weights, and the precision where it is reduced."""

    def labels_of(self, seeds: Sequence[int], label: int | None = None) -> list[int]:
        """The class of each seed: `label`, or all classes in turn; empty without classes."""

    def __call__(self, seeds: Sequence[int], labels: Sequence[int], *, truncation: float) -> NDArray[np.uint8]:
        """The images (N, H, W, C)."""


class SampleCounts(NamedTuple):
    """Numbers of samples written now and of those that existed before."""

    written: int
    existing: int


def _never() -> bool:
    return False


def sample_folder(
    sampler: SeededGenerator,
    folder: Path,
    seeds: Sequence[int],
    *,
    label: int | None = None,
    truncation: float = 1.0,
    batch: int = 16,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = _never,
) -> SampleCounts:
    """Write `seed0003.png` for every seed; with classes `class7/seed0003.png`, all classes in turn or the one `label`.

    Existing files are kept, unless `overwrite`. Files are written atomically; `progress` is called with (files there,
    all files), and `stop` before each batch. Raises ValueError where the folder holds other samples, and OSError where
    the disk is full, with nothing lost.
    """
    check_seeds(seeds, truncation)
    labels = sampler.labels_of(seeds, label)
    names = [Path(name_of(seed, labels[at] if labels else None)) for at, seed in enumerate(seeds)]
    facts = {"weights": sampler.weights, "truncation": truncation, "latents": LATENTS}
    claim(folder, names, facts, overwrite=overwrite)
    missing = [at for at, name in enumerate(names) if overwrite or not (folder / name).exists()]
    counts = SampleCounts(0, len(names) - len(missing))
    with ThreadPoolExecutor(_WRITERS) as writers:
        for begin in range(0, len(missing), batch):
            if stop():
                break
            now = missing[begin : begin + batch]
            samples = sampler([seeds[at] for at in now], [labels[at] for at in now if labels], truncation=truncation)
            try:
                list(writers.map(images.write, [folder / names[at] for at in now], samples))
            except OSError as error:
                advice = f"{sum(counts)} of {len(names)} are there; make room and give the command again"
                raise OSError(f"{folder}: {error.strerror or error}; {advice}") from error
            counts = counts._replace(written=counts.written + len(now))
            progress(sum(counts), len(names))
    return counts


def name_of(seed: int, label: int | None = None) -> str:
    """File name of a sample in its folder."""
    return f"seed{seed:04d}.png" if label is None else f"class{label}/seed{seed:04d}.png"


def claim(folder: Path, names: Sequence[Path], facts: Mapping[str, Any], *, overwrite: bool) -> None:
    """Create the folder, and those of its files `names`, with a note of the `facts` (as JSON) that they depend on.

    Raises ValueError where it holds files of other facts, or files without a note, unless `overwrite`, and where it is
    named as an image or a film is.
    """
    images.check_folder_name(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: a file, not a folder; name another")
    note, text = folder / _NOTE, json.dumps(facts, indent=1)
    if note.exists() and not overwrite:
        # Without other files the note is of a command that was stopped before its first result.
        if note.read_text(encoding="utf-8") != text and any(path != note for path in folder.iterdir()):
            raise ValueError(
                f"{folder}: written with other weights, options or version; name another folder, or --overwrite"
            )
    elif not overwrite and (there := next((name for name in names if (folder / name).exists()), None)):
        raise ValueError(f"{folder / there}: is there, but not by this program; name another folder, or --overwrite")
    for parent in {folder, *(folder / name.parent for name in names)}:
        parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(note) as temporary:
        temporary.write_text(text, encoding="utf-8")
