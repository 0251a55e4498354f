"""KID against the double sum, torch-fidelity, and its own error against what repeated draws show."""

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.metrics.kid import kernel_distance


def drawn(count: int, width: int = 6, *, seed: int = 0, shift: float = 0.0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, width))) + shift


def slow(x: Tensor, y: Tensor) -> float:
    """Equation 4 of the paper with its kernel, pair by pair."""

    def mean(pairs: list[tuple[Tensor, Tensor]]) -> float:
        return sum(((a @ b).item() / len(a) + 1) ** 3 for a, b in pairs) / len(pairs)

    def others(z: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]

    return mean(others(x)) + mean(others(y)) - 2 * mean([(a, b) for a in x for b in y])


def test_it_is_the_unbiased_double_sum_for_sets_of_different_sizes() -> None:
    x, y = drawn(30, seed=1, shift=0.5), drawn(20, seed=2)
    assert kernel_distance(x, y).value == pytest.approx(slow(x, y), rel=1e-12)


def test_it_is_that_of_torch_fidelity_on_whole_sets() -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = drawn(200, 32, seed=1, shift=0.2), drawn(200, 32, seed=2)
    expected = theirs.kid_features_to_metric(x, y, kid_subsets=1, kid_subset_size=200, verbose=False)
    assert kernel_distance(x, y).value == pytest.approx(expected[theirs.KEY_METRIC_KID_MEAN], rel=1e-9)


def test_subsets_give_what_the_whole_gives_within_the_error_and_follow_the_seed() -> None:
    x, y = drawn(600, seed=1, shift=0.3), drawn(500, seed=2)
    whole, parts = kernel_distance(x, y), kernel_distance(x, y, subset_size=100)
    assert parts.value != whole.value and abs(parts.value - whole.value) < whole.error
    assert parts.error == pytest.approx(whole.error, rel=0.2)
    assert kernel_distance(x, y, subset_size=100) == parts != kernel_distance(x, y, subset_size=100, seed=1)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_error_is_what_repeated_draws_scatter_by(shift: float) -> None:
    found = [kernel_distance(drawn(200, seed=seed, shift=shift), drawn(150, seed=1000 + seed)) for seed in range(200)]
    values, errors = np.array(found).T
    # Where the sets are alike the first term of the error, which is what is estimated, is not all of it, nor large.
    assert np.std(values) == pytest.approx(np.mean(errors), rel=0.15 if shift else 0.4)
    if not shift:
        assert abs(np.mean(values)) < 3 * np.std(values) / len(values) ** 0.5, "without bias"


def test_noise_takes_a_set_away_from_itself_and_halves_are_at_zero_within_the_error() -> None:
    features = drawn(800)
    noise = drawn(800, seed=9)
    distances = [kernel_distance(features + amount * noise, features).value for amount in (0.5, 1, 2, 4)]
    assert distances == sorted(set(distances)) and distances[0] > 0
    halves = kernel_distance(features[:400], features[400:])
    assert abs(halves.value) < 3 * halves.error
    assert kernel_distance(features, features).value < 0, "the unbiased estimate leaves out only the own pairs"


def test_one_image_is_refused() -> None:
    with pytest.raises(ValueError, match="KID: 1 and 5 images"):
        kernel_distance(drawn(1), drawn(5))
