"""Draws sheets of samples: a row for each held-out image, a titled column for each picture of it."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from i2i.networks.value_range import ValueRange

_TITLE = 22  # pixels


def draw_sheet(rows: Sequence[Mapping[str, Tensor]], value_range: ValueRange) -> NDArray[np.uint8]:
    """Draw rows of named (1, C, H, W) images in `value_range` as one uint8 RGB picture, in cells as large as the first
    image.
    """
    height, width = next(iter(rows[0].values())).shape[-2:]
    # Small images are shown larger, so that a sheet of 64-pixel samples can be judged by eye.
    zoom = max(1, round(192 / max(height, width)))
    size = (width * zoom, height * zoom)
    lines = [np.hstack([_cell(image, value_range, size) for image in row.values()]) for row in rows]
    titles = np.full((_TITLE, lines[0].shape[1], 3), 255, np.uint8)
    for column, title in enumerate(rows[0]):
        cv2.putText(
            titles, title, (column * size[0] + 6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA
        )
    return np.vstack([titles, *lines])


def _cell(image: Tensor, value_range: ValueRange, size: tuple[int, int]) -> NDArray[np.uint8]:
    pixels = value_range.to_pixels(image)[0]
    pixels = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    enlarge = cv2.INTER_NEAREST if size[0] >= pixels.shape[1] else cv2.INTER_AREA
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=enlarge), np.uint8)
