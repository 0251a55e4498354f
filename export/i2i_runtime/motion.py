"""Motion between two frames: their optical flow, where it is reliable, and images warped along it.

The optical flow is OpenCV's DIS (Kroeger, Timofte, Dai, Van Gool 2016, https://arxiv.org/abs/1603.03590), the
occlusions are those of Ruder, Dosovitskiy, Brox 2016: Artistic Style Transfer for Videos,
https://arxiv.org/abs/1604.08610.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

MIN_SIZE = 16  # pixels, height and width, for the coarsest level of DIS


class Motion(NamedTuple):
    """Optical flow from one frame to the next, float32 (H, W, 2) in pixels (x, y), and where it is reliable (H, W)."""

    flow: NDArray[np.float32]
    visible: NDArray[np.bool_]


def estimate_motion(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Motion:
    """Motion between two frames of equal size, uint8 (H, W, 3), from 16x16 pixels."""
    forward, backward = _optical_flow(first, second), _optical_flow(second, first)
    return Motion(forward, ends_inside(forward) & ~_occluded(forward, backward) & ~_motion_boundary(forward))


def warp(values: NDArray[Any], flow: NDArray[np.float32], *, interpolation: int = cv2.INTER_LINEAR) -> NDArray[Any]:
    """Values (H, W, C) at the end points of the flow, bilinearly; beyond the border, those at it."""
    nothing: Any = None  # OpenCV takes both coordinates as one map, which its stub does not say
    return cv2.remap(values, end_points(flow), nothing, interpolation, borderMode=cv2.BORDER_REPLICATE)


def end_points(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where the flow ends, (H, W, 2) in pixels (x, y)."""
    rows, columns = np.indices(flow.shape[:2], np.float32)
    return flow + np.stack([columns, rows], axis=2)


def ends_inside(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels (H, W) whose flow ends within the image."""
    height, width = flow.shape[:2]
    ends = end_points(flow)
    column, row = ends[..., 0], ends[..., 1]
    return (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)


def _optical_flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # Any: its stub refuses no initial flow
    return dis.calc(*(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)), None)


def _occluded(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels whose forward and backward flow disagree (Ruder et al. 2016)."""
    warped = warp(backward, forward)
    return _squared_norm(forward + warped) > 0.01 * (_squared_norm(forward) + _squared_norm(warped)) + 0.5


def _motion_boundary(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels where the flow changes (Ruder et al. 2016), so that the boundary's position is uncertain."""
    down, across = np.gradient(flow, axis=0), np.gradient(flow, axis=1)
    return _squared_norm(down) + _squared_norm(across) > 0.01 * _squared_norm(flow) + 0.002


def _squared_norm(vectors: NDArray[Any]) -> NDArray[Any]:
    return np.square(vectors).sum(-1)
