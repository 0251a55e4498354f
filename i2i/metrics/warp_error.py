"""Warping error of two frames along their optical flow, and the flicker of a sequence by it; lower is better.

Lai, Huang, Wang, Shechtman, Yumer, Yang 2018: Learning Blind Video Temporal Consistency,
https://arxiv.org/abs/1808.00449, with the occlusions of Ruder, Dosovitskiy, Brox 2016: Artistic Style Transfer for
Videos, https://arxiv.org/abs/1604.08610. The optical flow is OpenCV's DIS (Kroeger, Timofte, Dai, Van Gool 2016,
https://arxiv.org/abs/1603.03590) instead of FlowNet2, so values do not compare with the paper's.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_runtime.motion import MIN_SIZE, Motion, estimate_motion, warp

Pixels = NDArray[np.uint8]


class Frame(NamedTuple):
    """A translated frame and its source, both uint8 (H, W, 3)."""

    image: Pixels
    source: Pixels


class Flicker(NamedTuple):
    """Mean warping errors of a translated sequence and of its source, over `pairs` of frames, and their ratio.

    The ratio is 1 for equal flicker; for a source without any error it is infinite, or 1 where the translation has none
    either. All are NaN for no pairs.
    """

    warp_error: float
    source_warp_error: float
    ratio: float
    pairs: int


def motion_between(first: Pixels, second: Pixels) -> Motion:
    """Motion between two frames, as `estimate_motion`. Raises ValueError for sides below 16 pixels, or different
    sizes.
    """
    if first.shape != second.shape or min(first.shape[:2]) < MIN_SIZE:
        sizes = f"{_size(first)} and {_size(second)}"
        raise ValueError(f"flicker: frames of {sizes} pixels; allowed: equal sizes from {MIN_SIZE}x{MIN_SIZE}")
    return estimate_motion(first, second)


def warp_error(first: Pixels, second: Pixels, motion: Motion) -> float:
    """Mean squared difference of `first` and the warped `second`, of values in [0, 1], over visible pixels.

    NaN where no pixel is visible.
    """
    if not motion.visible.any():
        return float("nan")
    difference = warp(second.astype(np.float32), motion.flow) - first
    return float(np.square(difference[motion.visible] / 255, dtype=np.float64).mean())


def warp_errors(first: Frame, second: Frame) -> tuple[float, float]:
    """Warping errors of the translation and of the source, along the source's motion.

    Raises ValueError for different sizes.
    """
    for frame in (first, second):
        if frame.image.shape != frame.source.shape:
            sizes = f"{_size(frame.image)}, but the source has {_size(frame.source)}"
            raise ValueError(f"flicker: a frame of {sizes} pixels; allowed: equal sizes")
    motion = motion_between(first.source, second.source)
    return warp_error(first.image, second.image, motion), warp_error(first.source, second.source, motion)


def mean_flicker(errors: Sequence[tuple[float, float]]) -> Flicker:
    """Flicker from the `warp_errors` of pairs of frames; pairs without a visible pixel (cuts) do not count."""
    valid = np.array(errors, np.float64).reshape(-1, 2)
    valid = valid[np.isfinite(valid).all(1)]
    if not len(valid):
        return Flicker(float("nan"), float("nan"), float("nan"), 0)
    translated, source = valid.mean(0).tolist()
    ratio = translated / source if source else (float("inf") if translated else 1.0)
    return Flicker(translated, source, ratio, len(valid))


def _size(image: NDArray[Any]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
