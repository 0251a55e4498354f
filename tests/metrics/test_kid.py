"""KID against the double sum and torch-fidelity, and its standard error against repeated draws."""

import numpy as np
import pytest
from torch import Tensor

from i2i.metrics.kid import kid
from tests.measures import normal


def slow(x: Tensor, y: Tensor) -> float:
    """Equation 4 of the paper with its kernel, pair by pair."""

    def mean(pairs: list[tuple[Tensor, Tensor]]) -> float:
        return sum(((a @ b).item() / len(a) + 1) ** 3 for a, b in pairs) / len(pairs)

    def others(z: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]

    return mean(others(x)) + mean(others(y)) - 2 * mean([(a, b) for a in x for b in y])


def test_kid_equals_the_unbiased_double_sum() -> None:
    x, y = normal(30, seed=1, shift=0.5), normal(20, seed=2)
    assert kid(x, y).value == pytest.approx(slow(x, y), rel=1e-12)


def test_kid_of_whole_sets_equals_torch_fidelity() -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = normal(200, 32, seed=1, shift=0.2), normal(200, 32, seed=2)
    expected = theirs.kid_features_to_metric(x, y, kid_subsets=1, kid_subset_size=200, verbose=False)
    assert kid(x, y).value == pytest.approx(expected[theirs.KEY_METRIC_KID_MEAN], rel=1e-9)


def test_kid_of_subsets_agrees_with_whole_sets_within_the_error_and_follows_the_seed() -> None:
    x, y = normal(600, seed=1, shift=0.3), normal(500, seed=2)
    whole, parts = kid(x, y), kid(x, y, subset_size=100)
    assert parts.value != whole.value and abs(parts.value - whole.value) < whole.error
    assert parts.error == pytest.approx(whole.error, rel=0.2)
    assert kid(x, y, subset_size=100) == parts != kid(x, y, subset_size=100, seed=1)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_error_equals_the_deviation_over_repeated_draws(shift: float) -> None:
    found = [kid(normal(200, seed=seed, shift=shift), normal(150, seed=1000 + seed)) for seed in range(200)]
    values, errors, _ = zip(*found, strict=True)
    # For equal distributions the estimated first term of the error is small beside the others.
    assert np.std(values) == pytest.approx(np.mean(errors), rel=0.15 if shift else 0.4)
    if not shift:
        assert abs(np.mean(values)) < 3 * np.std(values) / len(values) ** 0.5, "unbiased"


def test_kid_grows_with_noise_and_is_zero_for_halves_of_a_set_within_the_error() -> None:
    features = normal(800)
    noise = normal(800, seed=9)
    distances = [kid(features + amount * noise, features).value for amount in (0.5, 1, 2, 4)]
    assert distances == sorted(set(distances)) and distances[0] > 0
    halves = kid(features[:400], features[400:])
    assert abs(halves.value) < 3 * halves.error
    assert kid(features, features).value < 0, "an unbiased estimate leaves out pairs of an image with itself"


def test_one_image_raises() -> None:
    with pytest.raises(ValueError, match="KID: 1 and 5 images"):
        kid(normal(1), normal(5))
