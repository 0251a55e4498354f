"""How every metric is taken of folders."""

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
from i2i.evaluate.instruments import Tools
from i2i.evaluate.labels import label_consistency
from i2i.evaluate.pairs import Pair, Pixels, Report, Score, attempt, each, find_pairs, read_both, read_image
from i2i.evaluate.result import Neighbour, Result
from i2i.evaluate.structure import structure_agreement
from i2i.metrics.dependence import dependence
from i2i.metrics.diversity import PairDistance, euclidean, mean_pairwise_distance
from i2i.metrics.novelty import novelty
from i2i.metrics.pair_metrics import PAIR_METRICS, measure_pair
from i2i.metrics.set_metrics import SET_METRICS, measure_sets
from i2i.metrics.value import MetricValue
from i2i_runtime import images

T = TypeVar("T")

_SAMPLE, _PAIRS = 128, 200  # images, and pairs of them, that stand for a set where distances are slow
_LARGE, _SMALL = 256, 32  # pixels, height and width, for LPIPS and for plain pixels


@dataclass(frozen=True)
class Folders:
    """`fake` images, `real` ones to look like, the `source` of each fake by name, and what was trained on. `paired`:
    each real image is the truth of the fake of its name.
    """

    fake: Path
    real: Path | None = None
    source: Path | None = None
    training: Path | None = None
    paired: bool = True
    resize: bool = False  # label maps and sources to the size of the fakes


def _sets(names: Sequence[str], folders: Folders, tools: Tools, result: Result) -> None:
    assert folders.real is not None and tools.extractor is not None
    fake, real = tools.features(folders.fake), tools.features(folders.real, keep=True)
    result.add_failed([*fake.failed, *real.failed])
    result.metrics |= measure_sets(names, tools.extractor, fake.features, real.features, seed=tools.seed)


def _pairs(names: Sequence[str], folders: Folders, tools: Tools, result: Result) -> None:
    assert folders.real is not None
    pairs, unused = find_pairs(folders.fake, folders.real, "real image")
    report = Report(unused=unused)
    for pair in each(pairs, tools.progress("pairs"), None):
        if (measures := attempt(report, pair, _of_pair, pair, names, tools)) is not None:
            report.scores.append(Score(pair.name, measures))
    _add_report(report, result)


def _of_pair(pair: Pair, names: Sequence[str], tools: Tools) -> dict[str, float]:
    fake, real = (_tensor(image) for image in read_both(pair))
    return measure_pair(names, fake, real, tools.lpips)


def _diversity(names: Sequence[str], folders: Folders, tools: Tools, result: Result) -> None:
    """How far apart fakes are from one another, as a part of how far real images are."""
    assert folders.real is not None
    distance: PairDistance = euclidean
    if tools.lpips is not None:
        distance, by = tools.lpips, tools.lpips.name
        sets = [_stack(folder, _LARGE) for folder in (folders.fake, folders.real)]
    elif tools.extractor is not None:
        by, seen = tools.extractor.name, (tools.features(folders.fake), tools.features(folders.real, keep=True))
        sets = [each.features for each in seen]
    else:
        by, sets = "pixels", [_stack(folder, _SMALL).flatten(1) for folder in (folders.fake, folders.real)]
    fake, real = (mean_pairwise_distance(items, distance, pairs=_PAIRS, seed=tools.seed) for items in sets)
    value = fake.value / real.value if real.value else float("inf")
    error = value * float(np.hypot(fake.error / max(fake.value, 1e-12), real.error / max(real.value, 1e-12)))
    note = f"as a part of real images' diversity: {fake.value:.4g} of {real.value:.4g}"
    result.metrics[f"diversity({by})"] = MetricValue(value, error if 0 < error < np.inf else float("nan"), note)


def _novelty(names: Sequence[str], folders: Folders, tools: Tools, result: Result) -> None:
    assert folders.training is not None and tools.extractor is not None
    fake, training = tools.features(folders.fake), tools.features(folders.training, keep=True)
    found = novelty(fake.features, training.features)
    note = "1: as far from training images as those are from one another; near 0: copies of them"
    result.metrics[f"novelty({tools.extractor.name})"] = MetricValue(found.ratio, note=note)
    rows = zip(fake.files, found.nearest.indices.tolist(), found.nearest.distances.tolist(), strict=True)
    result.nearest = [Neighbour(name.as_posix(), training.files[at].as_posix(), far) for name, at, far in rows]


def _dependence(names: Sequence[str], folders: Folders, tools: Tools, result: Result) -> None:
    assert folders.source is not None
    pairs, _ = find_pairs(folders.fake, folders.source, "source")
    report = Report()
    chosen = evenly(pairs, _SAMPLE)
    both = [images for pair in chosen if (images := attempt(report, pair, read_both, pair))]
    fake, source = (torch.cat([_resized(pair[side], _SMALL) for pair in both] or [torch.empty(0)]) for side in (0, 1))
    note = "1: outputs are as far apart as their sources; 0: they don't depend on them"
    result.metrics["dependence"] = MetricValue(dependence(source, fake), note=note)
    result.add_failed([sentence for _, sentence in report.failed])


def _labels(names: Sequence[str], folders: Folders, tools: Tools, result: Result) -> None:
    labels = tools.labels
    assert labels is not None
    report = label_consistency(
        folders.fake,
        labels.folder,
        labels.segmenter,
        classes=labels.classes,
        class_map=labels.class_map,
        segmenter_map=labels.segmenter_map,
        resize=folders.resize,
        progress=tools.progress("images segmented"),
    )
    absent = "occurs in no map"
    values = report.total() | {f"IoU {name}": value for name, value in report.by_class().items()}
    result.metrics |= {name: MetricValue(value, note=absent * bool(np.isnan(value))) for name, value in values.items()}
    _add_images(report, result)


def _structure(names: Sequence[str], folders: Folders, tools: Tools, result: Result) -> None:
    assert folders.source is not None
    count = tools.progress("images compared with their sources")
    _add_report(structure_agreement(folders.fake, folders.source, resize=folders.resize, progress=count), result)


def _flicker(names: Sequence[str], folders: Folders, tools: Tools, result: Result) -> None:
    assert folders.source is not None
    count = tools.progress("frames")
    report = temporal_flicker(folders.fake, folders.source, resize=folders.resize, progress=count)
    note = f"over {report.flicker.pairs} pairs of frames; 1: as much as the sources"
    result.metrics["flicker ratio"] = MetricValue(report.flicker.ratio, note=note)
    _add_images(report, result)


# Quick ones first, so that what is wrong is said soon.
GROUPS: tuple[tuple[tuple[str, ...], Callable[[Sequence[str], Folders, Tools, Result], None]], ...] = (
    (("labels",), _labels),
    (("structure",), _structure),
    (("dependence",), _dependence),
    (PAIR_METRICS, _pairs),
    (SET_METRICS, _sets),
    (("diversity",), _diversity),
    (("novelty",), _novelty),
    (("flicker",), _flicker),
)


def evenly(items: Sequence[T], most: int) -> list[T]:
    """All of them, or as many spread evenly."""
    count = min(len(items), most)
    return [items[place * len(items) // count] for place in range(count)]


def _add_images(report: Report, result: Result) -> None:
    for score in report.scores:
        result.add_image(score.image, score.measures)
    result.add_failed([sentence for _, sentence in report.failed])


def _add_report(report: Report, result: Result) -> None:
    """Each image's measures, and of each the mean over images with its standard error."""
    _add_images(report, result)
    if not report.scores:
        raise ValueError(f"none of {len(report.failed)} images can be measured; {report.failed[0][1]}")
    for name in report.scores[0].measures:
        values = np.array([score.measures[name] for score in report.scores])
        equal = int(np.isinf(values).sum())
        error = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 and not equal else float("nan")
        note = f"{equal} of {len(values)} images are equal to their truth" * bool(equal)
        result.metrics[name] = MetricValue(float(values.mean()), error, note)


def _stack(folder: Path, size: int) -> Tensor:
    """A sample of a folder's images as (N, 3, size, size) in [0, 1]; those that can't be read are left out."""
    found = []
    for name in evenly(images.list_images(folder), _SAMPLE):
        with suppress(ValueError):
            found.append(_resized(read_image(folder / name), size))
    return torch.cat(found) if found else torch.empty(0)


def _resized(image: Pixels, size: int) -> Tensor:
    small = size <= min(image.shape[:2])
    return F.interpolate(_tensor(image), (size, size), mode="area" if small else "bilinear")


def _tensor(image: Pixels) -> Tensor:
    """uint8 (H, W, 3) as (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255
