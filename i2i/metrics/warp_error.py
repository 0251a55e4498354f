"""Warping error of two frames along their optical flow, and the flicker of a sequence by it; lower is better.

Lai, Huang, Wang, Shechtman, Yumer, Yang 2018: Learning Blind Video Temporal Consistency,
https://arxiv.org/abs/1808.00449, with the occlusions of Ruder, Dosovitskiy, Brox 2016: Artistic Style Transfer for
Videos, https://arxiv.org/abs/1604.08610. The optical flow is OpenCV's DIS (Kroeger, Timofte, Dai, Van Gool 2016,
https://arxiv.org/abs/1603.03590) instead of FlowNet2, so values do not compare with the paper's.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_MIN_SIZE = 16  # pixels, height and width, for the coarsest level of DIS


class Motion(NamedTuple):
    """Optical flow from one frame to the next, float32 (H, W, 2) in pixels (x, y), and where it is reliable (H, W)."""

    flow: NDArray[np.float32]
    visible: NDArray[np.bool_]


def estimate_motion(first: Pixels, second: Pixels) -> Motion:
    """Motion between two frames, uint8 (H, W, 3). Raises ValueError for sides below 16 pixels, or different sizes."""
    if first.shape != second.shape or min(first.shape[:2]) < _MIN_SIZE:
        sizes = f"{_size(first)} and {_size(second)}"
        raise ValueError(f"flicker: frames of {sizes} pixels; allowed: equal sizes from {_MIN_SIZE}x{_MIN_SIZE}")
    forward, backward = _optical_flow(first, second), _optical_flow(second, first)
    return Motion(forward, _ends_inside(forward) & ~_occluded(forward, backward) & ~_motion_boundary(forward))


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


def warp_error(first: Pixels, second: Pixels, motion: Motion) -> float:
    """Mean squared difference of `first` and the warped `second`, of values in [0, 1], over visible pixels.

    NaN where no pixel is visible.
    """
    if not motion.visible.any():
        return float("nan")
    difference = _warp(second.astype(np.float32), motion.flow) - first
    return float(np.square(difference[motion.visible] / 255, dtype=np.float64).mean())


def warp_errors(first: Frame, second: Frame) -> tuple[float, float]:
    """Warping errors of the translation and of the source, along the source's motion.

    Raises ValueError for different sizes.
    """
    for frame in (first, second):
        if frame.image.shape != frame.source.shape:
            sizes = f"{_size(frame.image)}, but the source has {_size(frame.source)}"
            raise ValueError(f"flicker: a frame of {sizes} pixels; allowed: equal sizes")
    motion = estimate_motion(first.source, second.source)
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


def _optical_flow(first: Pixels, second: Pixels) -> NDArray[np.float32]:
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # Any: its stub refuses no initial flow
    return dis.calc(*(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)), None)


def _ends_inside(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    height, width = flow.shape[:2]
    ends = _end_points(flow)
    column, row = ends[..., 0], ends[..., 1]
    return (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)


def _occluded(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels whose forward and backward flow disagree (Ruder et al. 2016)."""
    warped = _warp(backward, forward)
    return _squared_norm(forward + warped) > 0.01 * (_squared_norm(forward) + _squared_norm(warped)) + 0.5


def _motion_boundary(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels where the flow changes (Ruder et al. 2016), so that the boundary's position is uncertain."""
    down, across = np.gradient(flow, axis=0), np.gradient(flow, axis=1)
    return _squared_norm(down) + _squared_norm(across) > 0.01 * _squared_norm(flow) + 0.002


def _warp(values: NDArray[Any], flow: NDArray[np.float32]) -> NDArray[Any]:
    """Values (H, W, C) at the end points of the flow, bilinearly."""
    ends = _end_points(flow)
    return cv2.remap(values, ends[..., 0], ends[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _end_points(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = np.indices(flow.shape[:2], np.float32)
    return flow + np.stack([columns, rows], axis=2)


def _squared_norm(vectors: NDArray[Any]) -> NDArray[Any]:
    return np.square(vectors).sum(-1)


def _size(image: NDArray[Any]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
