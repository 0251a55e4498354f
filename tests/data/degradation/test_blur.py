import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.data.degradation.blur import _fft_length, blur, blur_separable


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def symmetric(count: int, side: int) -> Tensor:
    kernels = random(count, side, side, seed=1)
    kernels = kernels + kernels.flip(1, 2)
    return kernels / kernels.sum((1, 2), keepdim=True)


def literal(images: Tensor, kernels: Tensor) -> Tensor:
    radius = kernels.shape[-1] // 2
    padded = torch.from_numpy(np.pad(images.numpy(), ((0, 0), (0, 0), (radius,) * 2, (radius,) * 2), mode="reflect"))
    count, channels = images.shape[:2]
    weights = kernels.expand(count, -1, -1).repeat_interleave(channels, 0)[:, None]
    return F.conv2d(padded.flatten(0, 1)[None], weights, groups=count * channels).view(images.shape)


@pytest.mark.parametrize("size", [(40, 31), (11, 90), (10, 7), (3, 2), (1, 5), (1, 1)])
def test_each_image_is_convolved_with_its_own_kernel_and_borders_are_mirrored(size):
    images, kernels = random(2, 3, *size), symmetric(2, 21)
    torch.testing.assert_close(blur(images, kernels), literal(images, kernels), atol=2e-6, rtol=0)


@pytest.mark.parametrize("size", [(40, 31), (39, 90), (10, 7), (1, 5)])
def test_the_separable_blur_is_the_blur_with_the_outer_product(size):
    images, taps = random(2, 3, *size), symmetric(1, 13)[0, 6]
    taps = (taps + taps.flip(0)) / (2 * taps.sum())
    expected = literal(images, torch.outer(taps, taps)[None])
    torch.testing.assert_close(blur_separable(images, taps), expected, atol=2e-6, rtol=0)


def test_one_kernel_may_blur_the_whole_batch():
    images, kernels = random(3, 1, 20, 20), symmetric(1, 7)
    torch.testing.assert_close(blur(images, kernels), blur(images, kernels.expand(3, -1, -1)))


def test_transforms_have_the_next_length_whose_prime_factors_are_at_most_7():
    smooth = sorted(2**a * 3**b * 5**c * 7**d for a in range(11) for b in range(7) for c in range(5) for d in range(5))
    for length in range(1, 600):
        assert _fft_length(length) == next(other for other in smooth if other >= length)
