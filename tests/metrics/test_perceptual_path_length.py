"""Perceptual path length of generators whose lengths are known."""

import pytest
import torch
from torch import Tensor

from i2i.metrics.perceptual_path_length import EPSILON, path_lengths, perceptual_path_length


def squared(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).square().flatten(1).sum(1)


def test_the_length_of_a_linear_generator_is_that_of_its_path() -> None:
    random = torch.Generator().manual_seed(0)
    start, end = torch.randn(2, 50, 3, generator=random, dtype=torch.float64)
    matrix = torch.randn(5, 3, generator=random, dtype=torch.float64)
    at = torch.rand(50, 1, generator=random, dtype=torch.float64)
    near, far = (torch.lerp(start, end, each) for each in (at, at + EPSILON))
    lengths = path_lengths(lambda w: w @ matrix.T, squared, near, far)
    assert torch.allclose(lengths, squared(start @ matrix.T, end @ matrix.T), rtol=1e-6)


def test_outliers_do_not_count() -> None:
    lengths = torch.full((200,), 3.0)
    lengths[:2], lengths[-2:] = 0.0, 1e9
    value = perceptual_path_length(lengths)
    assert value.value == pytest.approx(3.0, abs=0.05) or value.value < 10
