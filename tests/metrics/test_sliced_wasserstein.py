"""Sliced Wasserstein distance: a distance of sets, which sees noise and collapse."""

import pytest
import torch

from i2i.metrics.sliced_wasserstein import sliced_wasserstein_distance

real = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_equal_sets_have_no_distance_in_any_order() -> None:
    assert sliced_wasserstein_distance(real, real) == 0
    assert sliced_wasserstein_distance(real.flip(0), real).item() == pytest.approx(0, abs=1e-6)


def test_distance_grows_with_noise() -> None:
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(1))
    distances = [sliced_wasserstein_distance(real + amount * noise, real).item() for amount in (0.1, 0.3, 1.0)]
    assert 0 < distances[0] < distances[1] < distances[2]


def test_a_collapsed_set_is_farther_than_another_draw() -> None:
    other = torch.rand(real.shape, generator=torch.Generator().manual_seed(2))
    collapsed = real.mean(0, keepdim=True).expand_as(real)
    assert sliced_wasserstein_distance(collapsed, real) > 1.5 * sliced_wasserstein_distance(other, real)


def test_sets_of_different_shapes_raise() -> None:
    with pytest.raises(ValueError, match="allowed: the same"):
        sliced_wasserstein_distance(real, real[:3])
