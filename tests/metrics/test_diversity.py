"""Collapse and memorising are seen."""

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.metrics.diversity import euclidean, mean_pairwise, memorised


def drawn(count: int, *, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 6)))


def test_all_pairs_are_measured_once_where_they_are_few() -> None:
    items = drawn(20)
    assert mean_pairwise(items, euclidean) == (pytest.approx(torch.pdist(items).mean().item(), rel=1e-12), 0)


def test_random_pairs_are_never_one_image_twice_and_give_the_mean_within_their_error() -> None:
    items = drawn(200)
    alike: list[bool] = []

    def watched(x: Tensor, y: Tensor) -> Tensor:
        alike.extend((x == y).all(1).tolist())
        return euclidean(x, y)

    found = mean_pairwise(items, watched, pairs=500)
    assert len(alike) == 500 and not any(alike)
    assert 0 < found.error < 0.1 and abs(found.value - torch.pdist(items).mean().item()) < 4 * found.error
    assert (
        found
        == mean_pairwise(items, euclidean, pairs=500, batch=7)
        != mean_pairwise(items, euclidean, pairs=500, seed=1)
    )


def test_outputs_that_collapse_are_at_zero() -> None:
    assert mean_pairwise(drawn(1).repeat(50, 1), euclidean).value == 0
    with pytest.raises(ValueError, match="of 1 images"):
        mean_pairwise(drawn(1), euclidean)


def test_copies_of_training_images_are_told_from_new_ones_and_named() -> None:
    training = drawn(300)
    copies = memorised(training[[7, 3, 250]] + 1e-3, training)
    assert copies.nearest.place.tolist() == [7, 3, 250] and copies.ratio < 0.01
    assert memorised(drawn(300, seed=1), training).ratio == pytest.approx(1, abs=0.1)
