"""Plausibility of images as pairs side by side: a seam in the middle of each, or halves whose edges align.

All of 240 published pairs (photo and label map) have a seam. Where photo and line drawing lie on one white ground, the
edges of at least 60 in 100 align. Of 1,335 photos and frames cropped to 2:1, at most 5 in 100 of a set have either.
"""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.data.geometry import Image
from i2i_runtime import images

_STEEPEST = 0.02  # share of an image's columns among which a seam is
_SIDE = 128  # pixels, to which halves are scaled before their edges are compared
_BORDER = 4  # pixels at the borders of halves, where filters see beyond
_SHIFT = 1  # pixels within which edges that align do so


def are_side_by_side(paths: Iterable[Path]) -> bool:
    """True if at least half of the images that can be read have a seam in the middle or halves whose edges align."""
    votes = []
    for path in paths:
        try:
            image = images.read(path)
        except ValueError:  # reported when it is to be trained on
            continue
        votes.append(has_seam(image) or has_aligned_halves(image))
    return 2 * sum(votes) >= len(votes) > 0


def has_seam(image: Image) -> bool:
    """True if few columns of (height, width, channels) differ from the next as much as those beside the middle do."""
    difference = cv2.absdiff(image[:, 1:], image[:, :-1])
    steps = cv2.reduce(difference, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F).reshape(image.shape[1] - 1, -1).mean(axis=1)
    return bool(np.sum(steps >= steps[image.shape[1] // 2 - 1]) <= max(1.0, _STEEPEST * len(steps)))


def has_aligned_halves(image: Image) -> bool:
    """True if the cross-correlation of the edges of both halves has its maximum at no shift."""
    half = image.shape[1] // 2
    left, right = (_edges(image[:, start : start + half]) for start in (0, half))
    correlation = np.fft.irfft2(np.fft.rfft2(left) * np.conj(np.fft.rfft2(right)), s=left.shape)
    shift = np.unravel_index(correlation.argmax(), correlation.shape)  # circular, so that -1 is the last one
    far = max(min(int(each), len(left) - int(each)) for each in shift)
    return bool(correlation.max() > 0 and far <= _SHIFT)


def _edges(half: Image) -> NDArray[np.float32]:
    """Logarithmic magnitude of the gradient of a half, of mean 0."""
    small = images.to_float(cv2.resize(half, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).reshape(_SIDE, _SIDE, -1))
    grey = small.mean(axis=2) * np.float32(255)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1)
    magnitude = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    inner = np.log1p(magnitude)[_BORDER:-_BORDER, _BORDER:-_BORDER]
    return inner - inner.mean()
