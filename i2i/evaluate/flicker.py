"""Flicker of the image sequences in a folder of translations, against their sources."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from i2i.evaluate.pairs import ImageMeasures, PairReport, Progress, find_pairs, read_pairs
from i2i.metrics.warp_error import Flicker, Frame, mean_flicker, warp_errors
from i2i_runtime.files import printable


@dataclass
class FlickerReport(PairReport):
    """Flicker of all sequences of a folder; the measures of an image are for it and the next frame."""

    flicker: Flicker = field(default_factory=lambda: mean_flicker([]))


def temporal_flicker(
    translated: Path, source: Path, *, resize: bool = False, progress: Progress | None = None
) -> FlickerReport:
    """Flicker of image sequences: each folder below `translated` is one, in natural order of names (2 before 10).

    Images that cannot be read are reported, and no frames are compared across them. Raises ValueError for missing
    sources, those of another size unless `resize`, and no two images in any folder.
    """
    pairs = sorted(find_pairs(translated, source, "source"), key=lambda pair: pair.name.parent)
    successors = {one.name: other.name for one, other in pairwise(pairs) if one.name.parent == other.name.parent}
    if not successors:
        raise ValueError(f"{printable(translated)}: no two images in one folder; a sequence is a folder of its frames")
    report = FlickerReport()
    errors: list[tuple[float, float]] = []
    previous: tuple[Path, Frame] | None = None
    for pair, *images in read_pairs(pairs, report, resize=resize, progress=progress):
        frame = Frame(*images)
        if previous and successors.get(previous[0]) == pair.name:
            found = report.attempt(pair, warp_errors, previous[1], frame)
            if found is not None:
                errors.append(found)
                measures = {"warp error": found[0], "source warp error": found[1]}
                report.scores.append(ImageMeasures(previous[0], measures))
        previous = pair.name, frame
    report.flicker = mean_flicker(errors)
    return report
