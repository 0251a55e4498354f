"""Metrics of image folders."""

from collections.abc import Sequence
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


@dataclass(frozen=True)
class FolderEvaluation:
    """Evaluation of folders in progress: a method for each group of metrics adds values to `result`."""

    folders: ImageFolders
    instruments: Instruments
    result: EvaluationResult

    def measure_labels(self, names: Sequence[str]) -> None:
        assert self.instruments.labels is not None
        progress = self.instruments.progress("images segmented")
        report = self.instruments.labels.measure(self.folders.fake, resize=self.folders.resize, progress=progress)
        values = report.total() | {f"IoU {name}": value for name, value in report.by_class().items()}
        for name, value in values.items():
            self.result.metrics[name] = MetricValue(value, note="occurs in no map" * bool(np.isnan(value)))
        self.result.add_report(report)

    def measure_structure(self, names: Sequence[str]) -> None:
        assert self.folders.source is not None
        progress = self.instruments.progress("images compared with their sources")
        report = structure_agreement(
            self.folders.fake, self.folders.source, resize=self.folders.resize, progress=progress
        )
        self.result.add_report(report)
        self.result.metrics |= report.means()

    def measure_dependence(self, names: Sequence[str]) -> None:
        assert self.folders.source is not None
        report = PairReport()
        pairs = evenly_spaced(find_pairs(self.folders.fake, self.folders.source, "source"), _MOST_IMAGES)
        both = [read for pair in pairs if (read := report.attempt(pair, read_pair, pair))]
        fake, source = (
            torch.cat([_resized(pair[index], _PIXELS_SIZE) for pair in both] or [torch.empty(0)]) for index in (0, 1)
        )
        note = "1: outputs are as far apart as their sources; 0: they don't depend on them"
        self.result.metrics["dependence"] = MetricValue(dependence(source, fake), note=note)
        self.result.add_failed(report.failed)

    def measure_pairs(self, names: Sequence[str]) -> None:
        assert self.folders.real is not None
        report = PairReport()
        pairs = find_pairs(self.folders.fake, self.folders.real, "real image")
        for pair in track(pairs, self.instruments.progress("pairs")):
            report.measure(pair, self._measure_pair, pair, names)
        self.result.add_report(report)
        self.result.metrics |= report.means()

    def _measure_pair(self, pair: FilePair, names: Sequence[str]) -> dict[str, float]:
        fake, real = (to_tensor(image) for image in read_pair(pair))
        return measure_pair(names, fake, real, self.instruments.lpips)

    def measure_sets(self, names: Sequence[str]) -> None:
        assert self.folders.real is not None and self.instruments.extractor is not None
        fake = self.instruments.features(self.folders.fake)
        real = self.instruments.features(self.folders.real, cached=True)
        self.result.add_failed([*fake.failed, *real.failed])
        self.result.metrics |= measure_sets(
            names, self.instruments.extractor, fake.features, real.features, seed=self.instruments.seed
        )

    def measure_diversity(self, names: Sequence[str]) -> None:
        """Mean distance of generated images as a part of that of real images; by LPIPS, else features, else pixels."""
        assert self.folders.real is not None
        both, instruments = (self.folders.fake, self.folders.real), self.instruments
        distance: PairDistance = euclidean
        if instruments.lpips is not None:
            distance, by = instruments.lpips, instruments.lpips.name
            sets = [_read_sample(folder, _LPIPS_SIZE) for folder in both]
        elif instruments.extractor is not None:
            by = instruments.extractor.name
            sets = [instruments.features(folder, cached=folder == both[1]).features for folder in both]
        else:
            by, sets = "pixels", [_read_sample(folder, _PIXELS_SIZE).flatten(1) for folder in both]
        fake, real = (
            mean_pairwise_distance(items, distance, pairs=_MOST_PAIRS, seed=instruments.seed) for items in sets
        )
        value = fake.value / real.value if real.value else float("inf")
        error = value * float(np.hypot(fake.error / max(fake.value, 1e-12), real.error / max(real.value, 1e-12)))
        note = f"as a part of real images' diversity: {fake.value:.4g} of {real.value:.4g}"
        self.result.metrics[f"diversity({by})"] = MetricValue(value, error if 0 < error < np.inf else np.nan, note)

    def measure_novelty(self, names: Sequence[str]) -> None:
        assert self.folders.training is not None and self.instruments.extractor is not None
        fake = self.instruments.features(self.folders.fake)
        training = self.instruments.features(self.folders.training, cached=True)
        nearest, ratio = novelty(fake.features, training.features)
        note = "1: as far from training images as those are from one another; near 0: copies of them"
        self.result.metrics[f"novelty({self.instruments.extractor.name})"] = MetricValue(ratio, note=note)
        for name, index, distance in zip(fake.files, nearest.indices.tolist(), nearest.distances.tolist(), strict=True):
            self.result.nearest.append(NearestImage(name.as_posix(), training.files[index].as_posix(), distance))

    def measure_flicker(self, names: Sequence[str]) -> None:
        assert self.folders.source is not None
        progress = self.instruments.progress("frames")
        report = temporal_flicker(self.folders.fake, self.folders.source, resize=self.folders.resize, progress=progress)
        note = f"over {report.flicker.pairs} pairs of frames; 1: as much as the sources"
        self.result.metrics["flicker ratio"] = MetricValue(report.flicker.ratio, note=note)
        self.result.add_report(report)


# In this order: quick metrics first, so that mistakes are reported soon.
METRIC_GROUPS = (
    (("labels",), FolderEvaluation.measure_labels),
    (("structure",), FolderEvaluation.measure_structure),
    (("dependence",), FolderEvaluation.measure_dependence),
    (PAIR_METRICS, FolderEvaluation.measure_pairs),
    (SET_METRICS, FolderEvaluation.measure_sets),
    (("diversity",), FolderEvaluation.measure_diversity),
    (("novelty",), FolderEvaluation.measure_novelty),
    (("flicker",), FolderEvaluation.measure_flicker),
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
