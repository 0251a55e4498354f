"""Confusion matrix of label maps, and its mean IoU, IoU by class and pixel accuracy; higher is better.

Long, Shelhamer, Darrell 2015: Fully Convolutional Networks for Semantic Segmentation, section 5,
https://arxiv.org/abs/1411.4038; over the pixels of all images, as Cityscapes and CamVid are scored:

    counts = sum(confusion_matrix(predicted, truth, classes=8) for predicted, truth in maps)
    mean_iou(counts)
"""

import numpy as np
from numpy.typing import NDArray

from i2i.label_maps import IGNORE

Counts = NDArray[np.int64]


def confusion_matrix(predicted: NDArray[np.integer], truth: NDArray[np.integer], *, classes: int) -> Counts:
    """Confusion matrix of two label maps (H, W): pixels by true class (row) and predicted class (column).

    int64 (classes, classes + 1); the last column counts predictions of 255, none of the classes. Pixels whose truth is
    255 are left out. Raises ValueError for maps of different shapes and for other values.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"confusion: maps of shapes {predicted.shape} and {truth.shape}; allowed: equal ones")
    for name, labels in (("predicted", predicted), ("true", truth)):
        if (wrong := (labels < 0) | (labels >= classes) & (labels != IGNORE)).any():
            value = int(labels[wrong][0])
            raise ValueError(f"confusion: {name} class {value}; allowed: 0 to {classes - 1}, and {IGNORE} for none")
    counted = truth != IGNORE
    columns = np.minimum(predicted[counted].astype(np.int64), classes)
    cells = truth[counted].astype(np.int64) * (classes + 1) + columns
    return np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1).astype(np.int64)


def iou(counts: Counts) -> NDArray[np.float64]:
    """Intersection over union of each class: (classes,) in [0, 1]; NaN for a class that neither map shows."""
    intersection = counts.diagonal()
    union = counts.sum(1) + counts[:, :-1].sum(0) - intersection
    return np.divide(intersection, union, out=np.full(len(counts), np.nan), where=union > 0)


def mean_iou(counts: Counts) -> float:
    """Mean IoU of the classes that either map shows, in [0, 1]; NaN where there are none."""
    by_class = iou(counts)
    return float(np.nanmean(by_class)) if np.isfinite(by_class).any() else float("nan")


def pixel_accuracy(counts: Counts) -> float:
    """Share of the counted pixels whose class is right, in [0, 1]; NaN for no pixels."""
    total = counts.sum()
    return float(counts.trace() / total) if total else float("nan")
