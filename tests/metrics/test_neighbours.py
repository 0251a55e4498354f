"""Nearest neighbours block by block against all distances at once."""

import pytest
import torch

from i2i.metrics import neighbours
from i2i.metrics.neighbours import k_nearest, nearest_neighbours
from tests.measures import normal


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 37)


def test_the_nearest_neighbour_is_found_in_any_block() -> None:
    queries, references = normal(100, seed=1), normal(110, seed=2)
    distances = torch.cdist(queries, references)
    found = nearest_neighbours(queries, references)
    assert torch.equal(found.indices, distances.argmin(1))
    torch.testing.assert_close(found.distances, distances.min(1).values)


def test_skip_leaves_out_the_image_itself() -> None:
    features = normal(110)
    others = torch.cdist(features, features).fill_diagonal_(float("inf"))
    assert torch.equal(nearest_neighbours(features, features, skip=1).indices, others.argmin(1))


def test_k_nearest_are_ascending_across_blocks() -> None:
    queries, references = normal(40, seed=1), normal(110, seed=2)
    expected = torch.cdist(queries, references).square().sort(dim=1)
    squared, indices = k_nearest(queries, references, 4)
    torch.testing.assert_close(squared, expected.values[:, :4])
    assert torch.equal(indices, expected.indices[:, :4])


def test_features_of_two_extractors_raise() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        nearest_neighbours(normal(3, 4), normal(3, 5))
