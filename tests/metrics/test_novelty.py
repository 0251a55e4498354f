"""Novelty tells copies of training images from new ones."""

import pytest

from i2i.metrics.novelty import novelty
from tests.measures import normal


def test_copies_have_no_novelty_and_are_traced_to_their_originals() -> None:
    training = normal(300)
    copies = novelty(training[[7, 3, 250]] + 1e-3, training)
    assert copies.nearest.indices.tolist() == [7, 3, 250] and copies.ratio < 0.01


def test_new_images_are_as_far_from_training_images_as_those_are_from_one_another() -> None:
    assert novelty(normal(300, seed=1), normal(300)).ratio == pytest.approx(1, abs=0.1)
