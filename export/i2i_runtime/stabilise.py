"""Stabiliser of translated frames: each is blended with the one before, along the motion of the frames that came in.

As the temporal loss of Lai et al. 2018 (https://arxiv.org/abs/1808.00449), but at test time and for any model: where
the frame before, warped along the optical flow, agrees with the new frame, its translation should agree as well.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np

from i2i_runtime.images import Array, from_float, to_float, with_channels
from i2i_runtime.motion import MIN_SIZE, ends_inside, warp

_TOLERANCE = 24.0  # grey levels of difference at which the weight of the frame before has fallen to exp(-1/2)
_WINDOW = 3  # pixels, height and width, over which differences are averaged
_MEAN = np.full((1, 3), 1 / 3, np.float32)  # of three channels
_STILL = 0.25  # pixels from frame to frame, below which a motion has to explain the frame better than none
# After a cut, edges are elsewhere and pixels differ. Measured on streets, drawn and real: frames of one shot have a
# correlation of edges above 0.86, others below 0.67; flat frames have no edges but noise, and agree.
_LEAST_CORRELATION, _MOST_AGREEMENT = 0.75, 0.9


class _State(NamedTuple):
    """A frame as it came in, in RGB and grey of uint8, and its stabilised translation in float32 of [0, 1]."""

    frame: Array
    grey: Array
    result: Array


class Stabiliser:
    """A recursive filter over translated frames, along the optical flow of their sources.

    `strength`, above 0 and up to 1, is the share of the frame before where a pixel is seen in both. A frame that is
    equal to the one before gives the very same result. Occluded pixels, those that come into view and those that
    changed are left as they were translated, and so is the whole frame after a cut or of another size.
    """

    def __init__(self, strength: float) -> None:
        if not 0 < strength <= 1:
            raise ValueError(f"stabilise: {strength:g} is refused; allowed: above 0, to 1")
        self.strength = strength
        self._before: _State | None = None
        # Any: its stub refuses no initial flow
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, frame: Array, result: Array) -> Array:
        """The stabilised result of the next frame, of the shape and type of `result`; both are images as of a model."""
        pixels = _rgb(frame)
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        blended = self._blended(pixels, grey, to_float(np.atleast_3d(result)))
        self._before = _State(pixels, grey, blended)
        return from_float(blended, result.dtype).reshape(result.shape)

    def _blended(self, frame: Array, grey: Array, result: Array) -> Array:
        before = self._before
        if before is None or (before.frame.shape, before.result.shape) != (frame.shape, result.shape):
            return result
        if np.array_equal(before.frame, frame):
            return before.result
        if min(grey.shape) < MIN_SIZE:
            return result
        flow, weight = self._agreement(frame, grey, before)
        if is_cut(grey, warp(before.grey, flow), weight):
            return result
        height, width = result.shape[:2]
        if (height, width) != grey.shape:
            flow *= np.array((width / grey.shape[1], height / grey.shape[0]), np.float32)
            flow, weight = (cv2.resize(each, (width, height)) for each in (flow, weight))
        warped = warp(before.result, flow).reshape(result.shape)
        return result + self.strength * weight[..., None] * (warped - result)

    def _agreement(self, frame: Array, grey: Array, before: _State) -> tuple[Array, Array]:
        """Optical flow to the frame before (H, W, 2), and the weight of what is there, from 0 to 1 (H, W)."""
        flow = self._flow.calc(grey, before.grey, None)
        error, still_error = (_window_error(frame, each) for each in (warp(before.frame, flow), before.frame))
        # What stands still would be blurred by a motion that is an error of the estimate. A flat surface that moves is
        # explained as well by rest, which would hold its texture in the translation back: so rest must be better.
        is_small = np.hypot(flow[..., 0], flow[..., 1]) < _STILL
        is_still = (still_error < 0.5 * error) | (is_small & (still_error <= error))
        flow[is_still], error[is_still] = 0, still_error[is_still]
        weight = np.exp(error * np.float32(-0.5 / _TOLERANCE**2))
        return flow, weight * ends_inside(flow)


def is_cut(grey: Array, before: Array, weight: Array) -> bool:
    """True for a frame that shows another scene than the one before, which is given warped to it, both in grey (H, W).

    `weight` (H, W) says where they agree.
    """
    if weight.mean() > _MOST_AGREEMENT:
        return False
    edges = [_edge_strength(each).ravel() for each in (grey, before)]
    norms = [float(np.linalg.norm(each)) for each in edges]
    return float(edges[0] @ edges[1]) < _LEAST_CORRELATION * norms[0] * norms[1]


def _edge_strength(grey: Array) -> Array:
    """Magnitude of the gradient, less its mean."""
    strength = cv2.magnitude(*(cv2.Sobel(grey, cv2.CV_32F, *order) for order in ((1, 0), (0, 1))))
    return strength - strength.mean()


def _window_error(frame: Array, other: Array) -> Array:
    """Mean squared difference (H, W) in windows around the pixels of two frames (H, W, 3)."""
    squares = np.square(cv2.absdiff(frame, other), dtype=np.float32)
    return cv2.blur(cv2.transform(squares, _MEAN), (_WINDOW, _WINDOW))


def _rgb(image: Array) -> Array:
    """An image of a model, (H, W) or (H, W, 1|3|4) of any type, as (H, W, 3) of uint8."""
    pixels = np.atleast_3d(image)
    return with_channels(pixels if pixels.dtype == np.uint8 else from_float(to_float(pixels), np.uint8), 3)
