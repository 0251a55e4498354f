"""Precision, recall, density, coverage and nearest neighbours, exactly as slow formulas and torch-fidelity count."""

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.metrics import precision_recall as manifold
from i2i.metrics.precision_recall import density_coverage, nearest, precision_recall


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that sets of a few hundred are cut up as large ones are."""
    monkeypatch.setattr(manifold, "_BLOCK", 37)


def drawn(count: int, width: int = 5, *, seed: int = 0, shift: float = 0.0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, width))) + shift


def slow_radii(features: Tensor, k: int) -> Tensor:
    return torch.stack([(features - each).norm(dim=1).sort().values[k] for each in features])


def slow_inside(fake: Tensor, real: Tensor, k: int) -> Tensor:
    """(N, M): whether a fake lies in the ball of a real image."""
    return torch.stack([(real - each).norm(dim=1) <= slow_radii(real, k) for each in fake])


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_all_four_are_what_the_slow_formulas_count(k: int, shift: float) -> None:
    fake, real = drawn(120, seed=1, shift=shift), drawn(90, seed=2)
    inside, other_way = slow_inside(fake, real, k), slow_inside(real, fake, k)
    assert precision_recall(fake, real, neighbours=k) == (
        inside.any(1).double().mean().item(),
        other_way.any(1).double().mean().item(),
    )
    density, coverage = density_coverage(fake, real, neighbours=k)
    assert density == pytest.approx(inside.sum().item() / (k * len(fake)), rel=1e-12)
    assert coverage == inside.any(0).double().mean().item()


def test_precision_and_recall_are_those_of_torch_fidelity() -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_prc")
    fake, real = drawn(150, 16, seed=1) * 0.9, drawn(130, 16, seed=2)
    expected = theirs.calculate_precision_recall_full(fake, real, 3)
    assert precision_recall(fake, real) == pytest.approx(expected, abs=1e-7) and 0 < expected[0] != expected[1]


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_a_set_with_itself_is_wholly_precise_and_covered_wherever_it_lies(offset: float) -> None:
    features = drawn(200) + offset
    twice = torch.cat([features, features])  # every image has a copy
    for each in (features, twice):
        assert precision_recall(each, each) == (1.0, 1.0)
    # A ball without its surface holds the image itself and all neighbours but the k-th.
    assert density_coverage(features, features) == (1.0, 1.0)


def test_sets_far_apart_share_nothing_and_noise_loses_precision() -> None:
    real = drawn(300)
    assert precision_recall(real + 100, real) == (0.0, 0.0) and density_coverage(real + 100, real) == (0.0, 0.0)
    noise = drawn(300, seed=9)
    found = [precision_recall(real + amount * noise, real)[0] for amount in (0, 1, 2, 4)]
    assert found == sorted(set(found), reverse=True)


def test_a_collapsed_set_is_precise_and_recalls_little() -> None:
    real = drawn(300)
    precision, recall = precision_recall(real[:1] + 0.001 * drawn(300, seed=1), real)
    assert precision == 1 and recall < 0.02
    density, coverage = density_coverage(real[:1] + 0.001 * drawn(300, seed=1), real)
    assert density > 0.5 and coverage < 0.1


def test_the_nearest_is_found_across_blocks() -> None:
    fake, real = drawn(100, seed=1), drawn(110, seed=2)
    distances = (fake[:, None] - real).norm(dim=2)
    found = nearest(fake, real)
    assert torch.equal(found.place, distances.argmin(1))
    torch.testing.assert_close(found.distance, distances.min(1).values)
    own = nearest(real, real, skip=1)
    assert not (own.place == torch.arange(110)).any() and (own.distance > 0).all()


def test_too_few_images_for_the_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="N and M of 4 or more"):
        precision_recall(drawn(9), drawn(3))
    with pytest.raises(ValueError, match="cannot be compared"):
        nearest(drawn(3, 4), drawn(3, 5))
