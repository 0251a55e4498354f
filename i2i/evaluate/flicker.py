"""Flicker of the image sequences in a folder of translations, against their sources."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from i2i.evaluate.pairs import (
    FilePair,
    ImageMeasures,
    PairReport,
    Progress,
    find_pairs,
    match_size,
    read_pair,
    track,
)
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
    pairs = find_pairs(translated, source, "source")
    if len({pair.image.parent for pair in pairs}) == len(pairs):
        raise ValueError(f"{printable(translated)}: no two images in one folder; a sequence is a folder of its frames")
    report = FlickerReport()
    errors: list[tuple[float, float]] = []
    by_folder = sorted(pairs, key=lambda pair: pair.name.parent)
    previous: tuple[FilePair, Frame] | None = None
    for pair, frame in _read_frames(by_folder, report, resize, progress):
        if previous and frame and previous[0].name.parent == pair.name.parent:
            found = report.attempt(pair, warp_errors, previous[1], frame)
            if found is not None:
                errors.append(found)
                measures = {"warp error": found[0], "source warp error": found[1]}
                report.scores.append(ImageMeasures(previous[0].name, measures))
        previous = (pair, frame) if frame else None
    report.flicker = mean_flicker(errors)
    return report


def _read_frames(
    pairs: Sequence[FilePair], report: PairReport, resize: bool, progress: Progress | None
) -> Iterator[tuple[FilePair, Frame | None]]:
    """Frames of the pairs; None for one that cannot be read."""
    for pair in track(pairs, progress):
        both = report.attempt(pair, read_pair, pair)
        yield pair, Frame(both[0], match_size(both[1], both[0], pair, resize=resize)) if both else None
