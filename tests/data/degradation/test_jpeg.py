import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.data.degradation.jpeg import jpeg
from i2i.data.world import draw_scene


def scene(height: int = 96, width: int = 112) -> np.ndarray:
    """An image with texture and edges, uint8 RGB."""
    return np.ascontiguousarray(draw_scene(size=128, seed=0, index=1).real[:height, :width])


def as_batch(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]


def unrounded(image: np.ndarray, quality: float) -> np.ndarray:
    return (jpeg(as_batch(image), torch.tensor([quality]))[0].permute(1, 2, 0) * 255).numpy()


def ours(image: np.ndarray, quality: float) -> np.ndarray:
    return unrounded(image, quality).round()


def opencv(image: np.ndarray, quality: int) -> np.ndarray:
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED).reshape(image.shape)[..., ::-1].astype(np.float32)


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return 10 * math.log10(255**2 / np.square(image.astype(float) - truth).mean())


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 95])
@pytest.mark.parametrize("size", [(96, 112), (91, 77)])
def test_decoded_images_and_their_errors_agree_with_opencv(quality, size):
    """Better than 38 dB, and errors within 8% (within 1% but for OpenCV's rounding to integers on the way)."""
    image = scene(*size)
    plain, result = opencv(image, quality), ours(image, quality)
    assert psnr(result, plain) > 38
    assert np.square(result - image).mean() == pytest.approx(np.square(plain - image).mean(), rel=0.08)


@pytest.mark.parametrize("quality", [12, 22, 30, 45, 55, 66])
def test_constant_blocks_have_the_levels_of_opencv(quality):
    """All 256 values, whose quantisation steps are integers, rounded as in libjpeg."""
    blocks = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(8, 0).repeat(8, 1)
    assert np.abs(unrounded(blocks, quality) - opencv(blocks, quality)).max() < 0.51


def test_grey_images_agree_with_opencv():
    grey = scene()[..., :1]
    assert psnr(ours(grey, 50), opencv(grey, 50)) > 45


def test_error_falls_as_quality_rises():
    image = as_batch(scene())
    errors = [(jpeg(image, torch.tensor([q])) - image).square().mean().item() for q in (5.0, 20.0, 50.0, 80.0, 100.0)]
    assert errors == sorted(errors, reverse=True) and errors[0] > 20 * errors[-1]


def test_each_image_has_its_own_quality():
    images = as_batch(scene()).repeat(2, 1, 1, 1)
    both = jpeg(images, torch.tensor([20.0, 90.0]))
    assert both[0].equal(jpeg(images[:1], torch.tensor([20.0]))[0])
    assert both[1].equal(jpeg(images[1:], torch.tensor([90.0]))[0])


def test_borders_of_odd_sizes_do_not_darken():
    white = torch.ones(1, 3, 37, 21)
    torch.testing.assert_close(jpeg(white, torch.tensor([30.0])), white, atol=1.5 / 255, rtol=0)


def test_jpeg_is_idempotent_without_clipping_and_chroma():
    """The coefficients are multiples of the quantisation steps."""
    image = as_batch(scene()[..., :1])
    once = jpeg(image * 0.5 + 0.25, torch.tensor([40.0]))
    torch.testing.assert_close(jpeg(once, torch.tensor([40.0])), once, atol=1e-4, rtol=0)
