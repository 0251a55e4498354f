"""Sizes of the images that a method trains on, by which a translation can say that an image is unlike them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from i2i.data.batch import image_fields
from i2i.data.folders import PairedFiles, SingleFiles, UnpairedFiles
from i2i_runtime import images

Size = tuple[int, int]  # height, width
_PROBED = 64  # headers that are read of each field


def median_sizes(files: PairedFiles | UnpairedFiles | SingleFiles, batch: type, *, swap: bool) -> dict[str, Size]:
    """Median height and median width of the training images as stored, by the field of a batch of this type.

    `swap`: b is the source of a pair, not a. Only evenly spaced images are looked at. None for single images, whose
    crops have the scale of any photo, and for a field without an image that can be read.
    """
    if isinstance(files, SingleFiles):
        return {}
    if isinstance(files, PairedFiles):
        domains: Sequence[Sequence[Path]] = tuple(zip(*files.train, strict=True))[:: -1 if swap else 1]
    else:
        domains = files.train
    halves = 2 if isinstance(files, PairedFiles) and files.side_by_side else 1
    found = {field: _median(paths, halves) for field, paths in zip(image_fields(batch), domains, strict=True)}
    return {field: size for field, size in found.items() if size}


def _median(paths: Sequence[Path], halves: int) -> Size | None:
    sizes = []
    for path in paths[:: max(1, len(paths) // _PROBED)]:
        try:
            header = images.header(path)
        except ValueError:  # training names it and replaces it
            continue
        sizes.append((header.height, header.width // halves))
    if not sizes:
        return None
    height, width = np.median(sizes, axis=0)
    return int(height), int(width)
