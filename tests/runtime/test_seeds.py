import numpy as np
import pytest

from i2i_runtime.seeds import latents


def test_seeds_mean_the_same_latents_in_every_version():
    expected = [[0.1257302, -0.1321049, 0.6404226], [0.0012302, 0.2987455, -0.2741379]]
    np.testing.assert_allclose(latents([0, 7], 3), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("truncation", [1.0, 0.7])
def test_a_latent_depends_on_its_own_seed_alone(truncation):
    seeds = [3, 2**63 - 1, 9]
    together = latents(seeds, 100, truncation=truncation)
    assert together.dtype == np.float32 and together.shape == (3, 100)
    for row, seed in zip(together, seeds, strict=True):
        np.testing.assert_array_equal(latents([seed], 100, truncation=truncation)[0], row)
    assert abs(np.corrcoef(together)[np.triu_indices(3, 1)]).max() < 0.3


def test_latents_are_normally_distributed():
    z = latents(range(200), 500)
    assert abs(z.mean()) < 0.01 and z.std() == pytest.approx(1, rel=0.01) and np.abs(z).max() > 4


def test_truncated_latents_are_a_cut_normal_distribution_made_smaller():
    z = latents(range(20), 1000, truncation=0.5)
    assert np.abs(z).max() <= 1
    # The standard deviation of a normal distribution cut off at two of its own is 0.880.
    assert z.std() == pytest.approx(0.5 * 0.880, rel=0.02) and abs(z.mean()) < 0.01
    assert not latents([1], 8, truncation=0.0).any()


def test_numbers_inside_of_the_cut_are_kept_by_truncation():
    whole, cut = latents([5], 1000), latents([5], 1000, truncation=0.5)
    inside = np.abs(whole) <= 2
    np.testing.assert_array_equal(cut[inside], whole[inside] / 2)
