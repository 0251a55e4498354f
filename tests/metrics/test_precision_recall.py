"""Precision, recall, density and coverage against direct formulas and torch-fidelity."""

import pytest
import torch
from torch import Tensor

from i2i.metrics import neighbours
from i2i.metrics.precision_recall import density_coverage, precision_recall
from tests.measures import normal


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that sets of a few hundred images have several."""
    monkeypatch.setattr(neighbours, "BLOCK", 37)


def slow_radii(features: Tensor, k: int) -> Tensor:
    return torch.stack([(features - each).norm(dim=1).sort().values[k] for each in features])


def slow_inside(fake: Tensor, real: Tensor, k: int) -> Tensor:
    """(N, M), True where a fake lies in the ball of a real image."""
    return torch.stack([(real - each).norm(dim=1) <= slow_radii(real, k) for each in fake])


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_all_four_equal_the_direct_formulas(k: int, shift: float) -> None:
    fake, real = normal(120, seed=1, shift=shift), normal(90, seed=2)
    inside, other_way = slow_inside(fake, real, k), slow_inside(real, fake, k)
    assert precision_recall(fake, real, k=k) == (
        inside.any(1).double().mean().item(),
        other_way.any(1).double().mean().item(),
    )
    density, coverage = density_coverage(fake, real, k=k)
    assert density == pytest.approx(inside.sum().item() / (k * len(fake)), rel=1e-12)
    assert coverage == inside.any(0).double().mean().item()


def test_precision_and_recall_equal_torch_fidelity() -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_prc")
    fake, real = normal(150, 16, seed=1) * 0.9, normal(130, 16, seed=2)
    expected = theirs.calculate_precision_recall_full(fake, real, 3)
    assert precision_recall(fake, real) == pytest.approx(expected, abs=1e-7) and 0 < expected[0] != expected[1]


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_equal_sets_have_full_precision_recall_and_coverage_at_any_offset(offset: float) -> None:
    features = normal(200) + offset
    twice = torch.cat([features, features])  # every image has a copy
    for each in (features, twice):
        assert precision_recall(each, each) == (1.0, 1.0)
    # A ball without its surface holds the image itself and all neighbours but the k-th.
    assert density_coverage(features, features) == (1.0, 1.0)


def test_distant_sets_have_none_and_noise_lowers_precision() -> None:
    real = normal(300)
    assert precision_recall(real + 100, real) == (0.0, 0.0) and density_coverage(real + 100, real) == (0.0, 0.0)
    noise = normal(300, seed=9)
    found = [precision_recall(real + amount * noise, real)[0] for amount in (0, 1, 2, 4)]
    assert found == sorted(set(found), reverse=True)


def test_a_collapsed_generator_has_high_precision_and_low_recall() -> None:
    real = normal(300)
    precision, recall = precision_recall(real[:1] + 0.001 * normal(300, seed=1), real)
    assert precision == 1 and recall < 0.02
    density, coverage = density_coverage(real[:1] + 0.001 * normal(300, seed=1), real)
    assert density > 0.5 and coverage < 0.1


def test_fewer_images_than_neighbours_raise() -> None:
    with pytest.raises(ValueError, match="N and M of 4 or more"):
        precision_recall(normal(9), normal(3))
