"""PSNR, luma and border against scikit-image and closed forms."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio

from i2i.metrics.psnr import crop_border, luma, psnr


def pictures(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    truth = rng.random(shape)
    return torch.from_numpy(np.clip(truth + rng.normal(0, 0.05, shape), 0, 1)), torch.from_numpy(truth)


def test_psnr_equals_scikit_image_image_by_image() -> None:
    image, truth = pictures(2, 3, 20, 30)
    theirs = [
        peak_signal_noise_ratio(one.numpy(), other.numpy(), data_range=1)
        for one, other in zip(truth, image, strict=True)
    ]
    torch.testing.assert_close(psnr(image, truth), torch.tensor(theirs, dtype=torch.float64), rtol=1e-12, atol=0)


def test_psnr_of_a_constant_error() -> None:
    truth = torch.full((1, 3, 8, 8), 0.5, dtype=torch.float64)
    assert psnr(truth + 0.1, truth).item() == pytest.approx(20)
    assert psnr(truth + 1 / 255, truth).item() == pytest.approx(20 * np.log10(255))
    assert psnr(truth, truth).item() == float("inf")


def test_luma_equals_scikit_image_and_is_not_rounded() -> None:
    ends = torch.stack([torch.zeros(3, 1, 1), torch.ones(3, 1, 1)]).double()
    torch.testing.assert_close(luma(ends).flatten() * 255, torch.tensor([16.0, 235.0], dtype=torch.float64))
    image, _ = pictures(1, 3, 8, 9)
    theirs = rgb2ycbcr(image[0].permute(1, 2, 0).numpy())[..., 0] / 255
    np.testing.assert_allclose(luma(image)[0, 0].numpy(), theirs, atol=1e-12)


def test_luma_of_grey_images_raises() -> None:
    with pytest.raises(ValueError, match=r"allowed: \(N, 3, H, W\)"):
        luma(torch.zeros(1, 1, 8, 8))


def test_border_is_cropped_at_each_side() -> None:
    image = torch.arange(30.0).reshape(1, 1, 5, 6)
    assert torch.equal(crop_border(image, 2), image[:, :, 2:3, 2:4])
    assert torch.equal(crop_border(image, 0), image)


@pytest.mark.parametrize("border", [-1, 3])
def test_a_border_that_leaves_nothing_raises(border: int) -> None:
    with pytest.raises(ValueError, match="6x5 image"):
        crop_border(torch.zeros(1, 1, 5, 6), border)
