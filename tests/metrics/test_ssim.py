"""SSIM against scikit-image, which averages over the whole image and so is cut to the valid area, and closed forms."""

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
def test_ssim_is_that_of_scikit_image_on_the_valid_area(channels: int) -> None:
    image, truth = pictures(2, channels, 24, 31)
    theirs = [of_scikit_image(*pair) for pair in zip(image, truth, strict=True)]
    assert 0.1 < min(theirs) < max(theirs) < 0.99, "images that are neither equal nor strangers"
    torch.testing.assert_close(ssim(image, truth), torch.tensor(theirs, dtype=torch.float64), rtol=0, atol=1e-12)


def test_equal_images_give_exactly_one_and_order_does_not_matter() -> None:
    image, truth = pictures(1, 3, 16, 16)
    assert ssim(image, image).item() == 1
    assert ssim(image, truth).item() == pytest.approx(ssim(truth, image).item(), abs=1e-15)


def test_flat_images_differ_by_their_means_alone() -> None:
    dark, bright = torch.full((1, 1, 11, 11), 0.2), torch.full((1, 1, 11, 11), 0.6)
    expected = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)
    assert ssim(dark, bright).item() == pytest.approx(expected, abs=1e-6)


def test_images_smaller_than_the_window_and_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="40x10 pixels are less than its window of 11"):
        ssim(torch.zeros(1, 3, 10, 40), torch.zeros(1, 3, 10, 40))
    with pytest.raises(ValueError, match="shapes"):
        ssim(torch.zeros(1, 3, 12, 12), torch.zeros(1, 3, 12, 13))
