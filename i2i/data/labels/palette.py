"""Colours of classes, for label maps that people look at."""

import numpy as np
from numpy.typing import NDArray

_COLOURS = 256
_BITS = 8


def _voc_colours() -> NDArray[np.uint8]:
    """The colour map of PASCAL VOC, (256, 3): bit i of red, green and blue, from the highest, is bit 3i, 3i + 1 and
    3i + 2 of the class, from the lowest; http://host.robots.ox.ac.uk/pascal/VOC.
    """
    classes = np.arange(_COLOURS)
    colours = np.zeros((_COLOURS, 3), np.uint8)
    for channel in range(3):
        for bit in range(_BITS):
            colours[:, channel] |= ((classes >> (3 * bit + channel) & 1) << (_BITS - 1 - bit)).astype(np.uint8)
    return colours


# Class 0 is black there, as background is; here classes start with 1's dark red, and 255, of no class, is black.
PALETTE = np.roll(_voc_colours(), -1, axis=0)


def colour_labels(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Colours (..., 3) of class indices (...); 255 is black."""
    return PALETTE[labels]
