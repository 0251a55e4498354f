"""Novelty tells copies of training images from new ones."""

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.metrics.novelty import novelty


def drawn(count: int, *, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 6)))


def test_copies_have_no_novelty_and_are_traced_to_their_originals() -> None:
    training = drawn(300)
    copies = novelty(training[[7, 3, 250]] + 1e-3, training)
    assert copies.nearest.indices.tolist() == [7, 3, 250] and copies.ratio < 0.01


def test_new_images_are_as_far_from_training_images_as_those_are_from_one_another() -> None:
    assert novelty(drawn(300, seed=1), drawn(300)).ratio == pytest.approx(1, abs=0.1)
