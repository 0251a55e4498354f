"""A sample sheet: samples side by side in one picture."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from i2i.latent.sampler import grid
from i2i.networks.value_range import ValueRange
from i2i.training.sheet import draw_sheet
from i2i_runtime.folder.samples import SeededGenerator

_MAX_COLUMNS = 16


def sample_sheet(
    sampler: SeededGenerator,
    seeds: Sequence[int],
    *,
    label: int | None = None,
    truncation: float = 1.0,
    batch: int = 16,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.uint8]:
    """Draw all samples in one picture (height, width, channels): a column for each class where all are drawn and they
    are at most 16, else as many rows as columns.
    """
    labels = sampler.labels_of(seeds, label)
    parts = []
    for begin in range(0, len(seeds), batch):
        now = slice(begin, begin + batch)
        parts.append(sampler(seeds[now], labels[now], truncation=truncation))
        progress(len(seeds[: now.stop]), len(seeds))
    classes = sampler.classes
    by_class = label is None and 1 < classes <= _MAX_COLUMNS
    return grid(np.concatenate(parts), columns=classes if by_class else math.ceil(math.sqrt(len(seeds))))


def titled_sheet(titles: Sequence[str], rows: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Draw rows of images (N, H, W, C) in one picture, with a title for each of the N columns."""
    tensors = [torch.from_numpy(row).permute(0, 3, 1, 2).split(1) for row in rows]
    return draw_sheet([dict(zip(titles, row, strict=True)) for row in tensors], ValueRange(0, 255))
