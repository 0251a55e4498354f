"""The Frechet distance against torch-fidelity and SciPy, closed forms, and what it must do by construction."""

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.metrics.fid import frechet_distance, from_covariance, statistics


def gaussian(count: int, width: int = 8, *, seed: int = 0) -> Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.normal(size=(count, width)) @ random.normal(size=(width, width)))


def fid(fake: Tensor, real: Tensor) -> float:
    return frechet_distance(statistics(fake), statistics(real))


@pytest.mark.parametrize("counts", [(400, 300), (30, 500), (20, 30)])
def test_the_distance_is_that_of_scipys_matrix_root(counts: tuple[int, int]) -> None:
    scipy = pytest.importorskip("scipy.linalg")
    fake, real = gaussian(counts[0], 16, seed=1) + 0.3, gaussian(counts[1], 16, seed=2)
    covariances = [np.cov(each.numpy(), rowvar=False) for each in (fake, real)]
    root = scipy.sqrtm(covariances[0] @ covariances[1]).real
    means = (fake.mean(0) - real.mean(0)).square().sum().item()
    expected = means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(root)
    assert fid(fake, real) == pytest.approx(expected, rel=1e-9)


def test_the_distance_is_that_of_torch_fidelity() -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_fid")
    fake, real = gaussian(300, 32, seed=1) + 0.3, gaussian(200, 32, seed=2)
    both = [theirs.fid_features_to_statistics(each) for each in (fake, real)]
    expected = theirs.fid_statistics_to_metric(*both, verbose=False)[theirs.KEY_METRIC_FID]
    assert fid(fake, real) == pytest.approx(expected, rel=1e-9)


def test_sets_of_fewer_images_than_features_keep_their_digits() -> None:
    # In three of 2048 dimensions alone, turned into a random basis: the distance there is known.
    basis = torch.linalg.qr(torch.from_numpy(np.random.default_rng(3).normal(size=(2048, 3)))).Q
    fake, real = gaussian(40, 3, seed=1), gaussian(50, 3, seed=2) + 1
    assert fid(fake @ basis.T, real @ basis.T) == pytest.approx(fid(fake, real), rel=1e-9)


def test_gaussians_along_the_axes_are_at_the_distance_of_their_means_and_deviations() -> None:
    one = from_covariance(torch.tensor([0.0, 0.0]), torch.diag(torch.tensor([1.0, 4.0])))
    other = from_covariance(torch.tensor([3.0, 0.0]), torch.diag(torch.tensor([9.0, 4.0])))
    assert frechet_distance(one, other) == pytest.approx(3**2 + (3 - 1) ** 2)


@pytest.mark.parametrize("count", [6, 100])
def test_a_set_is_at_zero_from_itself_and_noise_takes_it_away(count: int) -> None:
    features = gaussian(count)
    noise = torch.from_numpy(np.random.default_rng(9).normal(size=features.shape))
    distances = [fid(features + amount * noise, features) for amount in (0, 0.5, 1, 2, 4)]
    assert distances[0] == pytest.approx(0, abs=1e-9) and distances == sorted(set(distances))


def test_halves_of_a_set_come_closer_the_larger_it_is() -> None:
    features = gaussian(4000)
    few, many = (fid(features[:count], features[count : 2 * count]) for count in (100, 2000))
    assert 0 < many < few / 4


def test_the_covariance_of_many_images_is_gathered_block_by_block_in_float64() -> None:
    features = gaussian(9000, 4)
    whole = statistics(features)
    covariance = whole.root.T @ whole.root
    np.testing.assert_allclose(covariance.numpy(), np.cov(features.numpy(), rowvar=False), rtol=1e-9)
    assert statistics(features.float()).mean.dtype == torch.float64


def test_one_image_and_features_of_two_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="two or more images"):
        statistics(torch.zeros(1, 4))
    with pytest.raises(ValueError, match="4 and 5 features; use one extractor"):
        fid(torch.zeros(3, 4), torch.zeros(3, 5))
