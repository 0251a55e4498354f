"""Structural agreement of a folder of translations with their sources."""

from pathlib import Path

from i2i.evaluate.pairs import PairReport, Pixels, Progress, find_pairs, read_pairs, to_tensor
from i2i.metrics.structure import PatchFeatures, edge_agreement, gradient_structure, structure_distance


def structure_agreement(
    translated: Path,
    source: Path,
    *,
    extractor: PatchFeatures | None = None,
    tolerance: float = 1.0,
    resize: bool = False,
    progress: Progress | None = None,
) -> PairReport:
    """Edge F1, precision, recall and gradient structure of each translation and its source, by equal names.

    With an `extractor` also structure distance; `tolerance` of edges is in pixels. Images that cannot be read or
    measured are reported. Raises ValueError for missing sources, and for those of another size unless `resize`.
    """
    report = PairReport()
    pairs = find_pairs(translated, source, "source")
    for pair, *images in read_pairs(pairs, report, resize=resize, progress=progress):
        report.measure(pair, _measure, *images, extractor, tolerance)
    return report


def _measure(image: Pixels, source: Pixels, extractor: PatchFeatures | None, tolerance: float) -> dict[str, float]:
    edges = edge_agreement(image, source, tolerance=tolerance)
    measures = {"edge F1": edges.f1, "edge precision": edges.precision, "edge recall": edges.recall}
    measures["gradient structure"] = gradient_structure(image, source)
    if extractor is not None:
        measures["structure distance"] = structure_distance(to_tensor(image), to_tensor(source), extractor).item()
    return measures
