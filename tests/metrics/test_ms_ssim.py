"""MS-SSIM against the formula written out with SciPy's convolution, and closed forms."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from i2i.metrics.ms_ssim import WEIGHTS, ms_ssim
from i2i.metrics.ssim import ssim


def pictures(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(0)
    truth = random.random(shape).cumsum(-1).cumsum(-2) % 1
    return torch.from_numpy(np.clip(truth + random.normal(0, 0.3, shape), 0, 1)), torch.from_numpy(truth)


def slow(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Equation 7 for two grey images of sides that are multiples of 16."""
    signal = pytest.importorskip("scipy.signal")
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    result = 1.0
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = (z.reshape(z.shape[0] // 2, 2, z.shape[1] // 2, 2).mean((1, 3)) for z in (x, y))
        mean_x, mean_y, xx, yy, xy = (signal.convolve2d(z, window, "valid") for z in (x, y, x * x, y * y, x * y))
        luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
        structure = (2 * (xy - mean_x * mean_y) + 9e-4) / (xx - mean_x**2 + yy - mean_y**2 + 9e-4)
        result *= np.mean(structure * luminance if scale == 4 else structure) ** weight
    return result


def test_ms_ssim_equals_the_published_formula_channel_by_channel() -> None:
    image, truth = pictures(2, 2, 176, 208)
    expected = [
        np.mean([slow(*pair) for pair in zip(a.numpy(), b.numpy(), strict=True)])
        for a, b in zip(image, truth, strict=True)
    ]
    assert 0.1 < min(expected) < max(expected) < 0.99
    torch.testing.assert_close(ms_ssim(image, truth), torch.tensor(expected), rtol=1e-9, atol=0)


def test_ms_ssim_of_equal_images_is_one_and_odd_sides_are_allowed() -> None:
    image, truth = pictures(1, 1, 161, 179)
    assert ms_ssim(truth, truth).item() == pytest.approx(1, abs=1e-15)
    assert 0 < ms_ssim(image, truth).item() < 1


def test_pixel_noise_lowers_ms_ssim_less_than_ssim() -> None:
    random = np.random.default_rng(1)
    smooth = torch.from_numpy(np.sin(np.arange(192) / 30)[None, None, :, None] * np.ones((1, 1, 1, 192))) / 2 + 0.5
    noisy = smooth + torch.from_numpy(random.normal(0, 0.05, smooth.shape))
    assert ms_ssim(noisy, smooth).item() > ssim(noisy, smooth).item()


def test_opposite_structure_gives_zero() -> None:
    _, truth = pictures(1, 1, 176, 176)
    assert ms_ssim(1 - truth, truth).item() == 0


def test_small_images_and_different_shapes_raise() -> None:
    with pytest.raises(ValueError, match="300x160 pixels are less than the 161"):
        ms_ssim(torch.zeros(1, 1, 160, 300), torch.zeros(1, 1, 160, 300))
    with pytest.raises(ValueError, match="shapes"):
        ms_ssim(torch.zeros(1, 1, 200, 200), torch.zeros(1, 1, 200, 201))
