"""How well a predicted label map agrees with the true one: counts of pixels, and the measures made of them.

The measures are those of Long, Shelhamer, Darrell 2015: Fully Convolutional Networks for Semantic Segmentation, section
5, https://arxiv.org/abs/1411.4038, taken over all pixels of all images, as Cityscapes and CamVid are scored.

    counts = sum(confusion(predicted, truth, classes=8) for predicted, truth in maps)
    mean_iou(counts)
"""

import numpy as np
from numpy.typing import NDArray

IGNORE = 255  # in a true map: this pixel does not count; in a predicted one: it is none of the classes

Counts = NDArray[np.int64]


def confusion(predicted: NDArray[np.integer], truth: NDArray[np.integer], *, classes: int) -> Counts:
    """Pixels by true class (row) and predicted class (column): int64 (classes, classes + 1); those of images add up.

    Both maps are (H, W) class indices. Pixels whose truth is 255 are left out; a prediction of 255 is none of the
    classes, which the last column counts. Raises ValueError for maps of different shapes and for other values.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"confusion: maps of shapes {predicted.shape} and {truth.shape}; allowed: equal ones")
    for name, labels in (("predicted", predicted), ("true", truth)):
        if (wrong := (labels < 0) | (labels >= classes) & (labels != IGNORE)).any():
            found = int(labels[wrong][0])
            raise ValueError(f"confusion: {name} class {found}; allowed: 0 to {classes - 1}, and {IGNORE} for none")
    counted = truth != IGNORE
    columns = np.minimum(predicted[counted].astype(np.int64), classes)
    places = truth[counted].astype(np.int64) * (classes + 1) + columns
    return np.bincount(places, minlength=classes * (classes + 1)).reshape(classes, classes + 1).astype(np.int64)


def iou(counts: Counts) -> NDArray[np.float64]:
    """Intersection over union of each class: (classes,) in [0, 1], NaN for one that neither map shows."""
    intersection = counts.diagonal()
    union = counts.sum(1) + counts[:, :-1].sum(0) - intersection
    return np.divide(intersection, union, out=np.full(len(counts), np.nan), where=union > 0)


def mean_iou(counts: Counts) -> float:
    """The mean IoU of the classes that occur in either map, of which one that is only predicted has 0; NaN for none."""
    found = iou(counts)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def pixel_accuracy(counts: Counts) -> float:
    """The share of the pixels that count whose class is right; NaN for no pixels."""
    total = counts.sum()
    return float(counts.trace() / total) if total else float("nan")
