import cv2
import numpy as np
import torch

from i2i.data.degradation.sharpen import sharpen


def edge(contrast: float) -> torch.Tensor:
    image = torch.full((1, 3, 64, 80), 0.4)
    image[..., 40:] += contrast
    return image


def test_sharpening_is_the_published_unsharp_mask():
    images = torch.rand(2, 3, 60, 70, generator=torch.Generator().manual_seed(0))
    images = cv2_smooth(images, sigma=3.0) * 3 - 1  # has detail above and below the threshold
    for image, ours in zip(images.clamp(0, 1), sharpen(images.clamp(0, 1)), strict=True):
        plain = image.permute(1, 2, 0).numpy()
        detail = plain - cv2.GaussianBlur(plain, (51, 51), 0)
        mask = (np.abs(detail) * 255 > 10).astype(np.float32)
        assert 0.1 < mask.mean() < 0.9
        soft = cv2.GaussianBlur(mask, (51, 51), 0)
        expected = soft * np.clip(plain + 0.5 * detail, 0, 1) + (1 - soft) * plain
        np.testing.assert_allclose(ours.permute(1, 2, 0).numpy(), expected, atol=1e-3)


def cv2_smooth(images: torch.Tensor, sigma: float) -> torch.Tensor:
    smooth = [cv2.GaussianBlur(image.permute(1, 2, 0).numpy(), (0, 0), sigma) for image in images]
    smooth = [(image - image.min()) / (image.max() - image.min()) for image in smooth]
    return torch.from_numpy(np.stack(smooth)).permute(0, 3, 1, 2)


def test_an_edge_gains_contrast():
    sharpened = sharpen(edge(0.3))
    assert (sharpened[..., 40] - sharpened[..., 39]).mean() > 1.15 * 0.3


def test_sharpened_images_stay_in_range():
    sharpened = sharpen(edge(0.6))
    assert sharpened.min() >= 0 and sharpened.max() == 1


def test_detail_below_the_threshold_is_not_sharpened():
    faint = edge(0.05)
    torch.testing.assert_close(sharpen(faint), faint, atol=1e-6, rtol=0)


def test_sharpening_is_float32_under_autocast() -> None:
    images = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        sharpened = sharpen(images)
    assert sharpened.dtype == torch.float32 and torch.equal(sharpened, sharpen(images))
