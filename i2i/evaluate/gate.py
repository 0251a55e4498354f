"""Gate for translated frames: those that do not fit their labels, their source or real images are found and put aside.

A frame is doubtful where one of its scores is an outlier among those of all frames, below median - k * MAD (Leys et al.
2013: Detecting outliers: Do not use standard deviation around the mean, use absolute deviation around the median,
https://doi.org/10.1016/j.jesp.2013.03.013), or its pixel accuracy is below a floor. Leaving out translations that do
not fit their labels is reported to gain up to 8 points of mIoU (https://arxiv.org/abs/2510.11567).

    from i2i import evaluate
    labels = evaluate.open_label_consistency("seg.onnx", Path("sim_labels"))
    gated = evaluate.gate_frames(Path("out"), source=Path("sim"), labels=labels)
    evaluate.sort_frames(gated, keep=Path("kept"), doubtful=Path("doubtful"))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from i2i.evaluate.labels import LabelConsistency
from i2i.evaluate.pairs import Progress
from i2i.evaluate.structure import structure_agreement
from i2i.metrics.features import FeatureExtractor, features_of_folder
from i2i.metrics.neighbours import nearest_neighbours
from i2i_runtime import images

OUTLIER = 2.5  # k: deviations, as Leys et al. recommend
FLOOR = 0.5  # of pixel accuracy: most of the frame is what its label map says
ACCURACY, MEAN_IOU, EDGES, DISTANCE = "pixel accuracy", "mIoU", "edge F1", "distance to real"
_DECIDING = (ACCURACY, EDGES, DISTANCE)  # a frame's mIoU depends on which classes it shows
_NORMAL = 1.4826  # standard deviations of a normal distribution in one MAD
_LEAST_DEVIATION = 0.02  # share of the median below which no frame is an outlier, however alike the others are


class GatedFrame(NamedTuple):
    """A translated frame by its path in its folder, with its scores and the reasons against it; none: it is kept.

    `severity` is the distance of its worst score from the bound, in deviations; positive for a doubtful frame.
    """

    name: Path
    scores: Mapping[str, float]
    reasons: tuple[str, ...]
    severity: float

    @property
    def is_kept(self) -> bool:
        return not self.reasons


@dataclass(frozen=True)
class Bound:
    """The bound of a score: lower scores are doubtful, or higher ones for a distance."""

    score: str
    limit: float
    deviation: float  # of the scores, robust

    def excess(self, value: float) -> float:
        """How far a score is beyond the bound, in deviations; negative for one within it."""
        beyond = value - self.limit if self.score == DISTANCE else self.limit - value
        return beyond / self.deviation

    @property
    def side(self) -> str:
        """Where doubtful scores lie."""
        return "above" if self.score == DISTANCE else "below"

    def reason(self, value: float) -> str:
        """The sentence against a frame with this score."""
        return f"{self.score} {value:.3f} {self.side} {self.limit:.3f}"


@dataclass(frozen=True)
class GateResult:
    """Frames of the folder `translated` in natural order, the bounds, and sentences about files that failed."""

    translated: Path
    frames: Sequence[GatedFrame]
    bounds: Sequence[Bound]
    failed: Sequence[str]

    def worst(self, count: int) -> list[GatedFrame]:
        """The frames that were measured, worst first."""
        measured = [frame for frame in self.frames if frame.scores]
        return sorted(measured, key=lambda frame: -frame.severity)[:count]


def gate_frames(
    translated: Path,
    *,
    source: Path,
    labels: LabelConsistency,
    real: Path | None = None,
    extractor: FeatureExtractor | None = None,
    outlier: float = OUTLIER,
    floor: float = FLOOR,
    resize: bool = False,
    progress: Progress | None = None,
) -> GateResult:
    """Score every frame of a folder: pixel accuracy and mIoU of the segmenter on its source's label map, F1 of its
    edges and its source's, and, with `real` and an `extractor`, the feature distance to the nearest real image.

    `outlier` is k of the rule above, `floor` the least pixel accuracy. Frames that cannot be measured are doubtful.
    Raises ValueError for fewer than three frames, for missing sources and label maps, and those of another size unless
    `resize`.
    """
    names = images.list_images(translated)
    if len(names) < 3:
        raise ValueError(f"{translated}: {len(names)} frames; an outlier is one among three or more")
    agreement = labels.measure(translated, resize=resize, progress=progress)
    structure = structure_agreement(translated, source, resize=resize, progress=progress)
    scores: dict[Path, dict[str, float]] = {name: {} for name in names}
    for image, measures in [*agreement.scores, *structure.scores]:
        scores[image] |= {key: measures[key] for key in (ACCURACY, MEAN_IOU, EDGES) if key in measures}
    failed = [*agreement.failed, *structure.failed]
    if extractor is not None and real is not None:
        failed += _add_distances(scores, translated, real, extractor, progress)
    measured = {name for each in scores.values() for name in each}
    bounds = [_bound(name, scores, outlier, floor) for name in _DECIDING if name in measured]
    if not bounds:
        raise ValueError(f"{translated}: no frame can be measured; {failed[0] if failed else 'they are empty'}")
    frames = [_decide(name, each, bounds) for name, each in scores.items()]
    return GateResult(translated, frames, bounds, list(dict.fromkeys(failed)))


def _add_distances(
    scores: Mapping[Path, dict[str, float]],
    translated: Path,
    real: Path,
    extractor: FeatureExtractor,
    progress: Progress | None,
) -> list[str]:
    """Add the distance of each frame to the nearest real image in feature space; sentences about files that failed."""
    ours = features_of_folder(extractor, translated, progress=progress)
    reals = features_of_folder(extractor, real, progress=progress)
    distances = nearest_neighbours(ours.features, reals.features).distances.tolist()
    for name, distance in zip(ours.files, distances, strict=True):
        scores[name][DISTANCE] = distance
    return [*ours.failed, *reals.failed]


def _bound(name: str, scores: Mapping[Path, Mapping[str, float]], outlier: float, floor: float) -> Bound:
    """The bound of a score, from those of all frames that have it."""
    values = np.array([each[name] for each in scores.values() if name in each])
    median = float(np.nanmedian(values))
    spread = _NORMAL * float(np.nanmedian(np.abs(values - median)))
    deviation = max(spread, _LEAST_DEVIATION * abs(median) / max(outlier, 1.0), 1e-9)
    if name == DISTANCE:
        return Bound(name, median + outlier * deviation, deviation)
    limit = median - outlier * deviation
    return Bound(name, max(limit, floor) if name == ACCURACY else limit, deviation)


def _decide(name: Path, scores: Mapping[str, float], bounds: Sequence[Bound]) -> GatedFrame:
    missing = [bound.score for bound in bounds if not np.isfinite(scores.get(bound.score, np.nan))]
    excesses = {bound: bound.excess(scores[bound.score]) for bound in bounds if bound.score not in missing}
    reasons = [f"{score} cannot be measured" for score in missing]
    reasons += [bound.reason(scores[bound.score]) for bound, excess in excesses.items() if excess > 0]
    return GatedFrame(name, scores, tuple(reasons), max(excesses.values(), default=float("inf")))
