"""Data augmentation by a generator: samples that pass a gate fill a class of images."""

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from i2i.latent.sampler import Sampler
from i2i.metrics.features import FeatureExtractor
from i2i.metrics.sample_gate import Judgement, Verdict
from i2i_runtime import images
from i2i_runtime.files import write_atomically
from i2i_runtime.folder.samples import name_of
from i2i_runtime.images import with_channels

MANIFEST = "manifest.csv"
_COLUMNS = ("seed", "verdict", "nearest", "ratio")

# Features (N, D) of samples -> judgements of them
Gate = Callable[[Tensor], list[Judgement]]


class Row(NamedTuple):
    """A sample in the manifest: its seed, the verdict on it, and the nearest real image with its relative distance."""

    seed: int
    verdict: Verdict
    nearest: str
    ratio: float


def read_manifest(folder: Path) -> list[Row]:
    """The rows of a folder's manifest, none where there is none. Raises ValueError for another file."""
    file = folder / MANIFEST
    if not file.exists():
        return []
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        return [Row(int(row["seed"]), Verdict(row["verdict"]), row["nearest"], float(row["ratio"])) for row in rows]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{file}: not written by i2i augment; name another folder") from None


def clear(folder: Path) -> None:
    """Delete the samples that a folder's manifest says were kept, and the manifest."""
    for row in read_manifest(folder):
        if row.verdict is Verdict.KEPT:
            (folder / name_of(row.seed)).unlink(missing_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)


def augment(
    sampler: Sampler,
    extractor: FeatureExtractor,
    gate: Gate,
    folder: Path,
    names: list[Path],
    *,
    number: int,
    most: int,
    spread: float = math.inf,
    seed: int = 0,
    label: int | None = None,
    truncation: float = 1.0,
    batch: int = 16,
) -> Iterator[list[Row]]:
    """Write samples that a gate keeps, until the folder has `number` or `most` seeds from `seed` on were drawn; yields
    the rows of the manifest after each batch, which go on where an earlier call was stopped. `names` are of the real
    images, as the gate counts them; `spread` is how many times an even share may lie nearest to the same one.
    """
    rows = read_manifest(folder)
    kept = Counter(row.nearest for row in rows if row.verdict is Verdict.KEPT)
    share = max(1.0, spread * number / len(names))
    while kept.total() < number and len(rows) < most:
        first = seed + len(rows)
        seeds = range(first, first + min(batch, most - len(rows)))
        samples = sampler(seeds, sampler.labels_of(seeds, label), truncation=truncation)
        rgb = torch.stack([torch.from_numpy(with_channels(sample, 3)) for sample in samples]).permute(0, 3, 1, 2)
        for at, (verdict, index, ratio) in enumerate(gate(extractor(rgb))):
            if kept.total() == number:
                break
            nearest = names[index].as_posix()
            if verdict is Verdict.KEPT and kept[nearest] >= share:
                verdict = Verdict.CROWDED
            if verdict is Verdict.KEPT:
                images.write(folder / name_of(seeds[at]), samples[at])
                kept[nearest] += 1
            rows.append(Row(seeds[at], verdict, nearest, ratio))
        _write(folder / MANIFEST, rows)
        yield rows


def _write(file: Path, rows: list[Row]) -> None:
    with write_atomically(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        writer.writerows((*row[:3], f"{row.ratio:.4g}") for row in rows)
