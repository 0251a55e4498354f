"""FID against torch-fidelity, SciPy and closed forms, and the properties of a distance."""

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.metrics.fid import fid, fit_gaussian, frechet_distance, gaussian_from_covariance


def gaussian(count: int, width: int = 8, *, seed: int = 0) -> Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.normal(size=(count, width)) @ random.normal(size=(width, width)))


@pytest.mark.parametrize("counts", [(400, 300), (30, 500), (20, 30)])
def test_fid_equals_the_formula_with_scipys_matrix_root(counts: tuple[int, int]) -> None:
    scipy = pytest.importorskip("scipy.linalg")
    fake, real = gaussian(counts[0], 16, seed=1) + 0.3, gaussian(counts[1], 16, seed=2)
    covariances = [np.cov(each.numpy(), rowvar=False) for each in (fake, real)]
    root = scipy.sqrtm(covariances[0] @ covariances[1]).real
    means = (fake.mean(0) - real.mean(0)).square().sum().item()
    expected = means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(root)
    assert fid(fake, real) == pytest.approx(expected, rel=1e-9)


def test_fid_equals_torch_fidelity() -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_fid")
    fake, real = gaussian(300, 32, seed=1) + 0.3, gaussian(200, 32, seed=2)
    both = [theirs.fid_features_to_statistics(each) for each in (fake, real)]
    expected = theirs.fid_statistics_to_metric(*both, verbose=False)[theirs.KEY_METRIC_FID]
    assert fid(fake, real) == pytest.approx(expected, rel=1e-9)


def test_fid_of_fewer_images_than_features_keeps_its_digits() -> None:
    # Features that span three of 2048 dimensions have the distance that they have in these three.
    basis = torch.linalg.qr(torch.from_numpy(np.random.default_rng(3).normal(size=(2048, 3)))).Q
    fake, real = gaussian(40, 3, seed=1), gaussian(50, 3, seed=2) + 1
    assert fid(fake @ basis.T, real @ basis.T) == pytest.approx(fid(fake, real), rel=1e-9)
    assert fit_gaussian(fake @ basis.T).root.shape == (40, 2048), "no decomposition of 2048 x 2048"


def test_distance_of_diagonal_gaussians_is_that_of_means_and_deviations() -> None:
    one = gaussian_from_covariance(torch.tensor([0.0, 0.0]), torch.diag(torch.tensor([1.0, 4.0])))
    other = gaussian_from_covariance(torch.tensor([3.0, 0.0]), torch.diag(torch.tensor([9.0, 4.0])))
    assert frechet_distance(one, other) == pytest.approx(3**2 + (3 - 1) ** 2)


@pytest.mark.parametrize("count", [6, 100])
def test_fid_is_zero_for_equal_sets_and_grows_with_noise(count: int) -> None:
    features = gaussian(count)
    noise = torch.from_numpy(np.random.default_rng(9).normal(size=features.shape))
    distances = [fid(features + amount * noise, features) for amount in (0, 0.5, 1, 2, 4)]
    assert distances[0] == pytest.approx(0, abs=1e-9) and distances == sorted(set(distances))


def test_fid_of_two_draws_falls_with_their_size() -> None:
    features = gaussian(4000)
    few, many = (fid(features[:count], features[count : 2 * count]) for count in (100, 2000))
    assert 0 < many < few / 4


def test_covariance_of_several_blocks_equals_numpys() -> None:
    features = gaussian(9000, 4)
    whole = fit_gaussian(features)
    covariance = whole.root.T @ whole.root
    np.testing.assert_allclose(covariance.numpy(), np.cov(features.numpy(), rowvar=False), rtol=1e-9)
    assert fit_gaussian(features.float()).mean.dtype == torch.float64


def test_one_image_and_features_of_two_extractors_raise() -> None:
    with pytest.raises(ValueError, match="two or more images"):
        fit_gaussian(torch.zeros(1, 4))
    with pytest.raises(ValueError, match="4 and 5 features; use one extractor"):
        fid(torch.zeros(3, 4), torch.zeros(3, 5))
