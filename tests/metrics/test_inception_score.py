"""Inception score against torch-fidelity and closed forms."""

import numpy as np
import pytest
import torch

from i2i.metrics.inception_score import inception_score


def test_score_is_the_number_of_classes_for_confident_balanced_predictions() -> None:
    logits = 1000 * torch.eye(5).repeat(4, 1)
    assert inception_score(logits, splits=1) == (pytest.approx(5), 0)
    assert inception_score(torch.zeros(20, 5))[0] == pytest.approx(1), "uniform predictions"
    assert inception_score(logits[::5], splits=1)[0] == pytest.approx(1), "one class alone"


def test_score_of_one_split_equals_torch_fidelity_and_more_splits_deviate() -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_isc")
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(300, 20)) * 2)
    expected = theirs.isc_features_to_metric(logits, splits=1)[theirs.KEY_METRIC_ISC_MEAN]
    assert inception_score(logits, splits=1)[0] == pytest.approx(expected, rel=1e-12)
    assert inception_score(logits)[1] > 0 and inception_score(logits) == inception_score(logits)


def test_fewer_images_than_splits_raise() -> None:
    with pytest.raises(ValueError, match="in 10 splits"):
        inception_score(torch.zeros(4, 5))
