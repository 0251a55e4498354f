"""Diversity falls where outputs collapse."""

import pytest
import torch
from torch import Tensor

from i2i.metrics.diversity import euclidean, mean_pairwise_distance
from tests.measures import normal


def test_few_items_are_measured_over_all_pairs() -> None:
    items = normal(20)
    assert mean_pairwise_distance(items, euclidean) == (
        pytest.approx(torch.pdist(items).mean().item(), rel=1e-12),
        0,
        "",
    )


def test_random_pairs_are_of_two_images_and_give_the_mean_within_the_error() -> None:
    items = normal(200)
    same: list[bool] = []

    def watched(x: Tensor, y: Tensor) -> Tensor:
        same.extend((x == y).all(1).tolist())
        return euclidean(x, y)

    found = mean_pairwise_distance(items, watched, pairs=500)
    assert len(same) == 500 and not any(same)
    assert 0 < found.error < 0.1 and abs(found.value - torch.pdist(items).mean().item()) < 4 * found.error
    assert (
        found
        == mean_pairwise_distance(items, euclidean, pairs=500, batch=7)
        != mean_pairwise_distance(items, euclidean, pairs=500, seed=1)
    )


def test_collapsed_outputs_have_no_diversity() -> None:
    assert mean_pairwise_distance(normal(1).repeat(50, 1), euclidean).value == 0
    with pytest.raises(ValueError, match="of 1 images"):
        mean_pairwise_distance(normal(1), euclidean)
