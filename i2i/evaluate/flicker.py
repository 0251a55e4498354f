"""Flicker of a translated image sequence: what changes in it and does not in the source, along the source's motion.

The warping error of Lai, Huang, Wang, Shechtman, Yumer, Yang 2018: Learning Blind Video Temporal Consistency,
https://arxiv.org/abs/1808.00449, and the occlusions of Ruder, Dosovitskiy, Brox 2016: Artistic Style Transfer for
Videos, https://arxiv.org/abs/1604.08610, that it uses. The flow is OpenCV's DIS (Kroeger, Timofte, Dai, Van Gool 2016,
https://arxiv.org/abs/1603.03590) where the paper has FlowNet2: compare numbers with one another, not with the paper's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.evaluate.pairs import Progress, Report, Score, Stop, attempt, each, find_pairs, fitted, read_both
from i2i_runtime.files import printable

Pixels = NDArray[np.uint8]

_SMALLEST = 16  # pixels, of which DIS can make its coarsest level


class Frame(NamedTuple):
    """A translated image and its source at one time, both uint8 (H, W, 3)."""

    image: Pixels
    source: Pixels


class Motion(NamedTuple):
    """From one frame to the next: `flow` float32 (H, W, 2) in pixels (x, y), `visible` (H, W) where it can be told."""

    flow: NDArray[np.float32]
    visible: NDArray[np.bool_]


class Flicker(NamedTuple):
    """Mean warp errors of a sequence and of its source, over `pairs` of frames; `ratio` is 1 where they flicker alike.

    A source that does not change at all has no error to compare with: the ratio is then infinite, or 1 for no error.
    For no pairs, all are NaN.
    """

    warp_error: float
    source_warp_error: float
    ratio: float
    pairs: int


def motion(first: Pixels, second: Pixels) -> Motion:
    """Where each pixel of uint8 (H, W, 3) `first` went in `second`. Raises ValueError for sides below 16 pixels."""
    if first.shape != second.shape or min(first.shape[:2]) < _SMALLEST:
        sizes = f"{_size(first)} and {_size(second)}"
        raise ValueError(f"flicker: frames of {sizes} pixels; allowed: equal sizes from {_SMALLEST}x{_SMALLEST}")
    there, back = _flow(first, second), _flow(second, first)
    return Motion(there, _inside(there) & ~_occluded(there, back) & ~_at_a_boundary(there))


def warp_error(first: Pixels, second: Pixels, motion: Motion) -> float:
    """Mean square of what differs between `first` and `second` moved back to it, of values in [0, 1].

    Over channels, and over the pixels that are visible in both; NaN if none are.
    """
    if not motion.visible.any():
        return float("nan")
    difference = _warped(second.astype(np.float32), motion.flow) - first
    return float(np.square(difference[motion.visible] / 255, dtype=np.float64).mean())


def warp_errors(first: Frame, second: Frame) -> tuple[float, float]:
    """Of the images and of the sources, along the motion of the sources. Raises ValueError for unequal sizes."""
    for frame in (first, second):
        if frame.image.shape != frame.source.shape:
            sizes = f"{_size(frame.image)}, but the source has {_size(frame.source)}"
            raise ValueError(f"flicker: a frame of {sizes} pixels; allowed: equal sizes")
    moved = motion(first.source, second.source)
    return warp_error(first.image, second.image, moved), warp_error(first.source, second.source, moved)


def summarise(errors: Sequence[tuple[float, float]]) -> Flicker:
    """Of what `warp_errors` gives for pairs of frames; one without a pixel visible in both (a cut) does not count."""
    known = np.array(errors, np.float64).reshape(-1, 2)
    known = known[np.isfinite(known).all(1)]
    if not len(known):
        return Flicker(float("nan"), float("nan"), float("nan"), 0)
    ours, theirs = known.mean(0).tolist()
    ratio = ours / theirs if theirs else (float("inf") if ours else 1.0)
    return Flicker(ours, theirs, ratio, len(known))


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
        raise ValueError(f"{printable(translated)}: no two images in one folder; a sequence is a folder of its frames")
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


def _flow(first: Pixels, second: Pixels) -> NDArray[np.float32]:
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # any, since its flow to start from is None
    return dis.calc(*(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)), None)


def _warped(values: NDArray[Any], flow: NDArray[np.float32]) -> NDArray[Any]:
    """What lies where the flow leads, between pixels bilinearly."""
    ends = _ends(flow)
    return cv2.remap(values, ends[..., 0], ends[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _ends(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = np.indices(flow.shape[:2], np.float32)
    return flow + np.stack([columns, rows], axis=2)


def _inside(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    height, width = flow.shape[:2]
    ends = _ends(flow)
    column, row = ends[..., 0], ends[..., 1]
    return (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)


def _occluded(there: NDArray[np.float32], back: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where going there and back does not lead home, with the constants of Ruder et al. 2016."""
    returned = _warped(back, there)
    return _squared(there + returned) > 0.01 * (_squared(there) + _squared(returned)) + 0.5


def _at_a_boundary(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the motion changes, so that its place is uncertain, with the constants of Ruder et al. 2016."""
    down, across = np.gradient(flow, axis=0), np.gradient(flow, axis=1)
    return _squared(down) + _squared(across) > 0.01 * _squared(flow) + 0.002


def _squared(vectors: NDArray[Any]) -> NDArray[Any]:
    return np.square(vectors).sum(-1)


def _size(image: NDArray[Any]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
