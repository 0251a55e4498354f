"""The sliced distance of two sets of images."""

import pytest
import torch

from i2i.metrics.sliced import sliced_distance

real = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_set_is_at_no_distance_from_itself_in_any_order() -> None:
    assert sliced_distance(real, real) == 0
    assert sliced_distance(real.flip(0), real).item() == pytest.approx(0, abs=1e-6)


def test_it_grows_with_noise() -> None:
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(1))
    distances = [sliced_distance(real + amount * noise, real).item() for amount in (0.1, 0.3, 1.0)]
    assert 0 < distances[0] < distances[1] < distances[2]


def test_a_collapsed_set_is_farther_than_another_draw() -> None:
    other = torch.rand(real.shape, generator=torch.Generator().manual_seed(2))
    collapsed = real.mean(0, keepdim=True).expand_as(real)
    assert sliced_distance(collapsed, real) > 1.5 * sliced_distance(other, real)


def test_sets_of_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="allowed: the same"):
        sliced_distance(real, real[:3])
