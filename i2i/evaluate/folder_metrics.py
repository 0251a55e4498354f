"""Metrics of image folders: a function for each group, which adds its values to an `EvaluationResult`."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.evaluate.flicker import temporal_flicker
from i2i.evaluate.instruments import Instruments
from i2i.evaluate.pairs import (
    FilePair,
    ImageMeasures,
    PairReport,
    Pixels,
    find_pairs,
    read_image,
    read_pair,
    to_tensor,
    track,
)
from i2i.evaluate.result import EvaluationResult, NearestImage
from i2i.evaluate.structure import structure_agreement
from i2i.metrics.dependence import dependence
from i2i.metrics.diversity import PairDistance, euclidean, mean_pairwise_distance
from i2i.metrics.novelty import novelty
from i2i.metrics.pair_metrics import PAIR_METRICS, measure_pair
from i2i.metrics.set_metrics import SET_METRICS, measure_sets
from i2i.metrics.value import MetricValue
from i2i_runtime import images

T = TypeVar("T")

_MOST_IMAGES, _MOST_PAIRS = 128, 200  # sample of a set for metrics of pairwise distances
_LPIPS_SIZE, _PIXELS_SIZE = 256, 32  # pixels, height and width for distances by LPIPS, and of plain pixels


@dataclass(frozen=True)
class ImageFolders:
    """Folders to compare: generated images, real ones, sources of the generated ones by name, training images.

    `paired`: a real image is the ground truth of the generated image of its name. `resize` fits label maps and sources
    to the size of the generated images.
    """

    fake: Path
    real: Path | None = None
    source: Path | None = None
    training: Path | None = None
    paired: bool = True
    resize: bool = False


def _labels(names: Sequence[str], folders: ImageFolders, instruments: Instruments, result: EvaluationResult) -> None:
    assert instruments.labels is not None
    progress = instruments.progress("images segmented")
    report = instruments.labels.measure(folders.fake, resize=folders.resize, progress=progress)
    values = report.total() | {f"IoU {name}": value for name, value in report.by_class().items()}
    absent = "occurs in no map"
    result.metrics |= {name: MetricValue(value, note=absent * bool(np.isnan(value))) for name, value in values.items()}
    result.add_report(report)


def _structure(names: Sequence[str], folders: ImageFolders, instruments: Instruments, result: EvaluationResult) -> None:
    assert folders.source is not None
    progress = instruments.progress("images compared with their sources")
    report = structure_agreement(folders.fake, folders.source, resize=folders.resize, progress=progress)
    result.add_report(report)
    result.metrics |= report.means()


def _dependence(
    names: Sequence[str], folders: ImageFolders, instruments: Instruments, result: EvaluationResult
) -> None:
    assert folders.source is not None
    report = PairReport()
    pairs = evenly_spaced(find_pairs(folders.fake, folders.source, "source"), _MOST_IMAGES)
    both = [read for pair in pairs if (read := report.attempt(pair, read_pair, pair))]
    fake, source = (
        torch.cat([_resized(pair[index], _PIXELS_SIZE) for pair in both] or [torch.empty(0)]) for index in (0, 1)
    )
    note = "1: outputs are as far apart as their sources; 0: they don't depend on them"
    result.metrics["dependence"] = MetricValue(dependence(source, fake), note=note)
    result.add_failed(report.failed)


def _pair_metrics(
    names: Sequence[str], folders: ImageFolders, instruments: Instruments, result: EvaluationResult
) -> None:
    assert folders.real is not None
    report = PairReport()
    for pair in track(find_pairs(folders.fake, folders.real, "real image"), instruments.progress("pairs")):
        if (measures := report.attempt(pair, _measure_files, pair, names, instruments)) is not None:
            report.scores.append(ImageMeasures(pair.name, measures))
    result.add_report(report)
    result.metrics |= report.means()


def _measure_files(pair: FilePair, names: Sequence[str], instruments: Instruments) -> dict[str, float]:
    fake, real = (to_tensor(image) for image in read_pair(pair))
    return measure_pair(names, fake, real, instruments.lpips)


def _set_metrics(
    names: Sequence[str], folders: ImageFolders, instruments: Instruments, result: EvaluationResult
) -> None:
    assert folders.real is not None and instruments.extractor is not None
    fake, real = instruments.features(folders.fake), instruments.features(folders.real, cached=True)
    result.add_failed([*fake.failed, *real.failed])
    result.metrics |= measure_sets(names, instruments.extractor, fake.features, real.features, seed=instruments.seed)


def _diversity(names: Sequence[str], folders: ImageFolders, instruments: Instruments, result: EvaluationResult) -> None:
    """Mean distance of generated images as a part of that of real images; by LPIPS, else features, else pixels."""
    assert folders.real is not None
    distance: PairDistance = euclidean
    if instruments.lpips is not None:
        distance, by = instruments.lpips, instruments.lpips.name
        sets = [_read_sample(folder, _LPIPS_SIZE) for folder in (folders.fake, folders.real)]
    elif instruments.extractor is not None:
        by = instruments.extractor.name
        sets = [instruments.features(folders.fake).features, instruments.features(folders.real, cached=True).features]
    else:
        by = "pixels"
        sets = [_read_sample(folder, _PIXELS_SIZE).flatten(1) for folder in (folders.fake, folders.real)]
    fake, real = (mean_pairwise_distance(items, distance, pairs=_MOST_PAIRS, seed=instruments.seed) for items in sets)
    value = fake.value / real.value if real.value else float("inf")
    error = value * float(np.hypot(fake.error / max(fake.value, 1e-12), real.error / max(real.value, 1e-12)))
    note = f"as a part of real images' diversity: {fake.value:.4g} of {real.value:.4g}"
    result.metrics[f"diversity({by})"] = MetricValue(value, error if 0 < error < np.inf else float("nan"), note)


def _novelty(names: Sequence[str], folders: ImageFolders, instruments: Instruments, result: EvaluationResult) -> None:
    assert folders.training is not None and instruments.extractor is not None
    fake, training = instruments.features(folders.fake), instruments.features(folders.training, cached=True)
    nearest, ratio = novelty(fake.features, training.features)
    note = "1: as far from training images as those are from one another; near 0: copies of them"
    result.metrics[f"novelty({instruments.extractor.name})"] = MetricValue(ratio, note=note)
    rows = zip(fake.files, nearest.indices.tolist(), nearest.distances.tolist(), strict=True)
    result.nearest = [
        NearestImage(name.as_posix(), training.files[index].as_posix(), distance) for name, index, distance in rows
    ]


def _flicker(names: Sequence[str], folders: ImageFolders, instruments: Instruments, result: EvaluationResult) -> None:
    assert folders.source is not None
    progress = instruments.progress("frames")
    report = temporal_flicker(folders.fake, folders.source, resize=folders.resize, progress=progress)
    note = f"over {report.flicker.pairs} pairs of frames; 1: as much as the sources"
    result.metrics["flicker ratio"] = MetricValue(report.flicker.ratio, note=note)
    result.add_report(report)


# In this order: quick metrics first, so that mistakes are reported soon.
METRIC_GROUPS: tuple[
    tuple[tuple[str, ...], Callable[[Sequence[str], ImageFolders, Instruments, EvaluationResult], None]], ...
] = (
    (("labels",), _labels),
    (("structure",), _structure),
    (("dependence",), _dependence),
    (PAIR_METRICS, _pair_metrics),
    (SET_METRICS, _set_metrics),
    (("diversity",), _diversity),
    (("novelty",), _novelty),
    (("flicker",), _flicker),
)


def evenly_spaced(items: Sequence[T], most: int) -> list[T]:
    """All items, or `most` of them at even distances."""
    count = min(len(items), most)
    return [items[index * len(items) // count] for index in range(count)]


def _read_sample(folder: Path, size: int) -> Tensor:
    """Sample of a folder's readable images, (N, 3, size, size) in [0, 1]."""
    sample = []
    for name in evenly_spaced(images.list_images(folder), _MOST_IMAGES):
        with suppress(ValueError):
            sample.append(_resized(read_image(folder / name), size))
    return torch.cat(sample) if sample else torch.empty(0)


def _resized(image: Pixels, size: int) -> Tensor:
    shrinks = size <= min(image.shape[:2])
    return F.interpolate(to_tensor(image), (size, size), mode="area" if shrinks else "bilinear")
