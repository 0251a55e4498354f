"""Edges, gradients and features of translated images against those of their sources."""

from pathlib import Path

import torch
from torch import Tensor

from i2i.evaluate.pairs import Pixels, Progress, Report, Score, Stop, attempt, each, find_pairs, fitted, read_both
from i2i.metrics.structure import Extractor, edge_agreement, gradient_structure, structure_distance


def structure_agreement(
    translated: Path,
    source: Path,
    *,
    extractor: Extractor | None = None,
    tolerance: float = 1.0,
    resize: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Report:
    """Edge F1, precision and recall, and gradient structure of each translated image and its source.

    With an `extractor` of features, structure distance too; `tolerance` is that of `edge_agreement`, in pixels. A
    source of another size than its translation is resized only if `resize`. An image that cannot be read or measured is
    reported and the rest goes on. Raises ValueError for other sizes, and for images without a source.
    """
    pairs, unused = find_pairs(translated, source, "source")
    report = Report(unused=unused)
    for pair in each(pairs, progress, stop):
        if (images := attempt(report, pair, read_both, pair)) is None:
            continue
        sized = fitted(images[1], images[0], pair, resize=resize)
        if (measures := attempt(report, pair, _structure, images[0], sized, extractor, tolerance)) is not None:
            report.scores.append(Score(pair.name, measures))
    return report


def _structure(image: Pixels, source: Pixels, extractor: Extractor | None, tolerance: float) -> dict[str, float]:
    edges = edge_agreement(image, source, tolerance=tolerance)
    measures = {"edge F1": edges.f1, "edge precision": edges.precision, "edge recall": edges.recall}
    measures["gradient structure"] = gradient_structure(image, source)
    if extractor is not None:
        measures["structure distance"] = structure_distance(_tensor(image), _tensor(source), extractor).item()
    return measures


def _tensor(image: Pixels) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
