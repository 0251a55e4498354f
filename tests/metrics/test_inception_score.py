"""The inception score in closed form, and against torch-fidelity."""

import numpy as np
import pytest
import torch

from i2i.metrics.inception_score import inception_score


def test_images_that_are_certain_and_of_equally_many_classes_reach_the_number_of_classes() -> None:
    logits = 1000 * torch.eye(5).repeat(4, 1)
    assert inception_score(logits, splits=1) == (pytest.approx(5), 0)
    assert inception_score(torch.zeros(20, 5))[0] == pytest.approx(1), "nothing is seen"
    assert inception_score(logits[::5], splits=1)[0] == pytest.approx(1), "all of one class"


def test_it_is_that_of_torch_fidelity_for_one_part_and_scatters_over_more() -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_isc")
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(300, 20)) * 2)
    expected = theirs.isc_features_to_metric(logits, splits=1)[theirs.KEY_METRIC_ISC_MEAN]
    assert inception_score(logits, splits=1)[0] == pytest.approx(expected, rel=1e-12)
    assert inception_score(logits)[1] > 0 and inception_score(logits) == inception_score(logits)


def test_fewer_images_than_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="in 10 parts"):
        inception_score(torch.zeros(4, 5))
