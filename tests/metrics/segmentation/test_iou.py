"""Confusion matrix, IoU and accuracy against direct formulas and a second implementation."""

import numpy as np
import pytest
import torch

from i2i.metrics.segmentation.iou import IGNORE, confusion_matrix, iou, mean_iou, pixel_accuracy
from tests import measures


def maps(classes: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true (20, 30), which agree in about half of the pixels."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, (20, 30))
    return np.where(rng.random(truth.shape) < 0.5, truth, rng.integers(0, classes, truth.shape)), truth


def test_confusion_matrix_counts_pixels_by_true_and_predicted_class() -> None:
    predicted, truth = maps(4)
    counts = confusion_matrix(predicted, truth, classes=4)
    expected = [[int(((truth == t) & (predicted == p)).sum()) for p in (0, 1, 2, 3, IGNORE)] for t in range(4)]
    assert counts.tolist() == expected
    assert counts.dtype == np.int64


def test_iou_and_accuracy_equal_the_direct_formulas() -> None:
    predicted, truth = maps(5)
    counts = confusion_matrix(predicted, truth, classes=5)
    direct = [((predicted == c) & (truth == c)).sum() / ((predicted == c) | (truth == c)).sum() for c in range(5)]
    np.testing.assert_allclose(iou(counts), direct, rtol=1e-15)
    theirs = measures.mean_iou(torch.from_numpy(predicted), torch.from_numpy(truth), 5)
    assert mean_iou(counts) == pytest.approx(theirs, rel=1e-6)
    assert pixel_accuracy(counts) == (predicted == truth).mean()


def test_counts_of_images_add_up() -> None:
    first, second = maps(3, seed=1), maps(3, seed=2)
    of_both = confusion_matrix(np.hstack([first[0], second[0]]), np.hstack([first[1], second[1]]), classes=3)
    np.testing.assert_array_equal(confusion_matrix(*first, classes=3) + confusion_matrix(*second, classes=3), of_both)


def test_large_uint8_maps_do_not_overflow() -> None:
    labels = np.full((300, 300), 200, np.uint8)
    assert confusion_matrix(labels, labels, classes=201)[200, 200] == 90_000


def test_ignored_pixels_do_not_count() -> None:
    predicted, truth = maps(3)
    void = truth.copy()
    void[:10] = IGNORE
    np.testing.assert_array_equal(
        confusion_matrix(predicted, void, classes=3), confusion_matrix(predicted[10:], truth[10:], classes=3)
    )


def test_a_prediction_of_no_class_is_wrong_but_no_false_positive() -> None:
    truth = np.array([[0, 0, 1, 1]])
    counts = confusion_matrix(np.array([[0, IGNORE, 1, 1]]), truth, classes=2)
    assert iou(counts).tolist() == [0.5, 1.0]
    assert pixel_accuracy(counts) == 0.75


def test_absent_classes_are_left_out_of_the_mean_and_false_ones_are_not() -> None:
    truth = np.array([[0, 0, 1, 1]])
    perfect = confusion_matrix(truth, truth, classes=3)
    assert np.isnan(iou(perfect)[2])
    assert mean_iou(perfect) == 1
    assert mean_iou(confusion_matrix(np.array([[0, 0, 1, 2]]), truth, classes=3)) == (1 + 0.5 + 0) / 3


def test_no_pixels_give_nan() -> None:
    counts = confusion_matrix(np.zeros((2, 2), int), np.full((2, 2), IGNORE), classes=2)
    assert np.isnan(mean_iou(counts))
    assert np.isnan(pixel_accuracy(counts))


@pytest.mark.parametrize(("predicted", "truth", "sentence"), [(3, 0, "predicted class 3"), (0, -1, "true class -1")])
def test_values_that_are_no_class_raise(predicted: int, truth: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"{sentence}; allowed: 0 to 2, and 255"):
        confusion_matrix(np.full((2, 2), predicted), np.full((2, 2), truth), classes=3)


def test_maps_of_different_shapes_raise() -> None:
    with pytest.raises(ValueError, match=r"shapes \(2, 3\) and \(3, 2\)"):
        confusion_matrix(np.zeros((2, 3), int), np.zeros((3, 2), int), classes=1)
