"""Linear separability, against closed forms."""

import math

import pytest
import torch

from i2i.metrics.linear_separability import conditional_entropy, linear_separability


def test_conditional_entropy_is_that_of_the_table() -> None:
    # X true: Y true 3 times of 4; X false: never of 2. H(Y|X) = 4/6 (3/4 ln 4/3 + 1/4 ln 4)
    y = torch.tensor([1, 1, 1, 0, 0, 0]).bool()
    x = torch.tensor([1, 1, 1, 1, 0, 0]).bool()
    expected = 4 / 6 * (0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    assert conditional_entropy(y, x) == pytest.approx(expected)
    assert conditional_entropy(y, y) == conditional_entropy(y, ~y) == 0
    assert conditional_entropy(y, torch.ones(6).bool()) == pytest.approx(math.log(2))


def test_a_plane_that_divides_gives_one_and_independent_attributes_two_each() -> None:
    points = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    signs = torch.randn(4000, generator=torch.Generator().manual_seed(1))
    apart = points @ torch.tensor([1.0, -2.0, 0.5])
    assert linear_separability(points, apart[:, None]) == pytest.approx(1, abs=0.01)
    assert linear_separability(points, signs[:, None]) == pytest.approx(2, rel=0.01)
    both = linear_separability(points, torch.stack([signs, apart, signs.flip(0)], 1))
    assert both == pytest.approx(4, rel=0.02)
    # What no plane divides: the outside of a sphere
    assert linear_separability(points, (points.square().sum(1) - 2.4)[:, None]) > 1.9


def test_only_the_surer_half_counts_and_an_attribute_of_all_adds_nothing() -> None:
    points = torch.randn(400, 2, generator=torch.Generator().manual_seed(2))
    score = points[:, 0].sign() * 2
    unsure = torch.arange(400) % 2 == 0
    score = torch.where(unsure, -score / 8, score)  # wrong, but faintly
    assert linear_separability(points, score[:, None]) == pytest.approx(1, abs=1e-6)
    assert linear_separability(points, score[:, None].abs()) == 1
    with pytest.raises(ValueError, match="1 latents; linear separability needs two or more"):
        linear_separability(points[:1], score[:1, None])
