"""SSIM against scikit-image and closed forms."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from i2i.metrics.ssim import ssim


def pictures(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    truth = rng.random(shape).cumsum(-1) % 1
    return torch.from_numpy(np.clip(truth + rng.normal(0, 0.1, shape), 0, 1)), torch.from_numpy(truth)


def of_scikit_image(image: torch.Tensor, truth: torch.Tensor) -> float:
    """Mean over windows that lie wholly in the image; scikit-image's own mean includes others."""
    _, everywhere = structural_similarity(
        image.numpy(),
        truth.numpy(),
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        full=True,
    )
    return float(everywhere[:, 5:-5, 5:-5].mean())


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_equals_scikit_image(channels: int) -> None:
    image, truth = pictures(2, channels, 24, 31)
    theirs = [of_scikit_image(*pair) for pair in zip(image, truth, strict=True)]
    assert 0.1 < min(theirs) < max(theirs) < 0.99
    torch.testing.assert_close(ssim(image, truth), torch.tensor(theirs, dtype=torch.float64), rtol=0, atol=1e-12)


def test_ssim_of_equal_images_is_one_and_ssim_is_symmetric() -> None:
    image, truth = pictures(1, 3, 16, 16)
    assert ssim(image, image).item() == 1
    assert ssim(image, truth).item() == pytest.approx(ssim(truth, image).item(), abs=1e-15)


def test_ssim_of_flat_images_is_their_luminance_term() -> None:
    dark, bright = torch.full((1, 1, 11, 11), 0.2), torch.full((1, 1, 11, 11), 0.6)
    expected = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)
    assert ssim(dark, bright).item() == pytest.approx(expected, abs=1e-6)


def test_small_images_and_different_shapes_raise() -> None:
    with pytest.raises(ValueError, match="40x10 pixels are less than its window of 11"):
        ssim(torch.zeros(1, 3, 10, 40), torch.zeros(1, 3, 10, 40))
    with pytest.raises(ValueError, match="shapes"):
        ssim(torch.zeros(1, 3, 12, 12), torch.zeros(1, 3, 12, 13))
