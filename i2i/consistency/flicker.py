"""Flicker of translated image sequences, folder by folder."""

from dataclasses import dataclass
from pathlib import Path

from i2i.consistency.report import Progress, Report, Score, Stop, attempt, each, find_pairs, fitted, read_both
from i2i.metrics.flicker import Flicker, Frame, summarise, warp_errors
from i2i_runtime.headers import shown


@dataclass
class FlickerReport(Report):
    """`flicker` is over all pairs of frames, of all sequences."""

    flicker: Flicker = summarise([])  # noqa: RUF009


def temporal_flicker(
    translated: Path,
    source: Path,
    *,
    resize: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> FlickerReport:
    """Warp errors of image sequences: each folder of `translated` is one, in natural order of names (2 before 10).

    The score of an image is for it and the next one. A source of another size is resized only if `resize`. An image
    that cannot be read is reported, and the sequence begins anew after it. Raises ValueError for other sizes, images
    without a source, and no two images in one folder.
    """
    pairs, unused = find_pairs(translated, source, "source")
    report = FlickerReport(unused=unused)
    if len({pair.image.parent for pair in pairs}) == len(pairs):
        raise ValueError(f"{shown(translated)}: no two images in one folder; a sequence is a folder of its frames")
    errors: list[tuple[float, float]] = []
    before: tuple[Path, Frame] | None = None
    for pair in each(sorted(pairs, key=lambda pair: pair.name.parent), progress, stop):
        if (images := attempt(report, pair, read_both, pair)) is None:
            before = None
            continue
        frame = Frame(images[0], fitted(images[1], images[0], pair, resize=resize))
        if before is not None and before[0].parent == pair.name.parent:
            found = attempt(report, pair, warp_errors, before[1], frame)
            if found is not None:
                errors.append(found)
                report.scores.append(Score(before[0], {"warp error": found[0], "source warp error": found[1]}))
        before = pair.name, frame
    report.flicker = summarise(errors)
    return report
