import pytest
import torch
from torch import Tensor

from i2i.data.degradation.noise import Noise, add_noise


def added(image: Tensor, noise: Noise, seed: int = 0) -> Tensor:
    return add_noise(image, noise, torch.Generator().manual_seed(seed)) - image


@pytest.mark.parametrize("sigma", [1 / 255, 10 / 255, 30 / 255])
@pytest.mark.parametrize("grey", [True, False])
def test_gaussian_noise_has_the_drawn_standard_deviation(sigma, grey):
    field = added(torch.full((3, 256, 256), 0.5), Noise(True, sigma, grey))
    assert field.std().item() == pytest.approx(sigma, rel=0.02)
    assert field.mean().abs().item() < 0.02 * sigma


@pytest.mark.parametrize("value", [32, 128, 224])
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_poisson_noise_has_a_variance_in_proportion_to_the_value(value, scale):
    """Poisson's variance is value / levels, times the square of the scale; more than 128 values need 256 levels."""
    ramp = (torch.arange(256) / 255).expand(3, 4, -1)
    flat = torch.full((3, 256, 256), value / 255)
    field = added(torch.cat([ramp, flat], 1), Noise(False, scale, False))[:, 4:]
    assert field.var().item() == pytest.approx(scale**2 * value / 255 / 256, rel=0.03)
    assert field.mean().abs().item() < 0.02 * scale


def test_few_values_mean_few_levels_and_much_noise():
    """Three values need four levels."""
    image = torch.full((1, 256, 256), 51 / 255)
    image[..., 0], image[..., 1] = 0.0, 1.0
    assert added(image, Noise(False, 1.0, False))[..., 2:].var().item() == pytest.approx(0.2 / 4, rel=0.03)


@pytest.mark.parametrize(("channel", "luma"), [(0, 0.299), (1, 0.587), (2, 0.114)])
def test_grey_poisson_noise_has_the_variance_of_the_luma(channel, luma):
    """An image of one colour has one level, so its variance is its luma."""
    image = torch.zeros(3, 256, 256)
    image[channel] = 1
    assert added(image, Noise(False, 1.0, True))[0].var().item() == pytest.approx(luma, rel=0.03)


@pytest.mark.parametrize("gaussian", [True, False])
def test_grey_noise_is_equal_in_all_channels_and_colour_noise_is_independent(gaussian):
    image = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(1))
    grey = added(image, Noise(gaussian, 0.1, True))
    torch.testing.assert_close(grey[1:], grey[:1].expand(2, -1, -1), atol=1e-6, rtol=0)
    colour = added(image, Noise(gaussian, 0.1, False))
    assert torch.corrcoef(colour.flatten(1)).fill_diagonal_(0).abs().max() < 0.05


@pytest.mark.parametrize("noise", [Noise(True, 0.1, True), Noise(False, 1.0, True), Noise(False, 1.0, False)])
def test_noise_depends_on_its_generator_alone(noise):
    image = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(1))
    before = torch.get_rng_state()
    assert added(image, noise, seed=3).equal(added(image, noise, seed=3))
    assert not added(image, noise, seed=3).equal(added(image, noise, seed=4))
    assert torch.get_rng_state().equal(before)
