import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.data.degradation.resize import bicubic_pair, crop_to_multiple, imresize, round_to_8bit
from i2i_runtime import images as files

SIZES = [(1, 1), (5, 7), (12, 40), (24, 16), (48, 32), (31, 17)]


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def literal_matrix(length: int, size: int) -> Tensor:
    """imresize along one axis by the formula, one weight at a time."""

    def cubic(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0

    factor = min(1.0, size / length)
    matrix = torch.zeros(size, length, dtype=torch.float64)
    for row in range(size):
        center = (row + 0.5) * length / size - 0.5
        for position in range(math.floor(center - 2 / factor), math.ceil(center + 2 / factor) + 1):
            mirrored = position % (2 * length)
            matrix[row, min(mirrored, 2 * length - 1 - mirrored)] += cubic(factor * (center - position))
    return matrix / matrix.sum(1, keepdim=True)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_imresize_is_the_published_formula(height, width):
    images = pictures(2, 3, 24, 16)
    expected = literal_matrix(24, height) @ images.double() @ literal_matrix(16, width).T
    torch.testing.assert_close(imresize(images, height, width), expected.float(), atol=2e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_constant_image_stays_constant(height, width):
    torch.testing.assert_close(
        imresize(torch.full((1, 1, 24, 16), 0.3), height, width), torch.full((), 0.3).expand(1, 1, height, width)
    )


def test_resizing_to_the_same_size_is_the_identity():
    images = pictures(2, 3, 9, 11)
    assert imresize(images, 9, 11).equal(images)


def test_images_of_a_batch_are_resized_independently():
    images = pictures(3, 3, 25, 18)
    assert imresize(images, 10, 31).equal(torch.cat([imresize(image[None], 10, 31) for image in images]))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_resizing_commutes_with_flips(height, width):
    images = pictures(1, 2, 24, 16)
    torch.testing.assert_close(
        imresize(images.flip(-1, -2), height, width).flip(-1, -2), imresize(images, height, width)
    )


def test_shrinking_is_antialiased():
    grid = (torch.arange(32) % 2).float().expand(1, 1, 32, 32)
    assert imresize(grid, 8, 8)[..., 2:-2, 2:-2].sub(0.5).abs().max() < 1e-3


def test_edges_overshoot_and_are_not_clipped():
    step = (torch.arange(16) >= 8).float().expand(1, 1, 4, 16)
    enlarged = imresize(step, 4, 64)
    assert enlarged.max() > 1.05 and enlarged.min() < -0.05


def test_an_empty_size_is_refused():
    with pytest.raises(ValueError, match="allowed: 1 pixel and more"):
        imresize(pictures(1, 3, 8, 8), 0, 8)


def test_a_pair_is_cropped_to_the_scale_and_its_source_rounded_to_8_bit():
    high = pictures(2, 3, 26, 35)
    source, target = bicubic_pair(high, 4)
    assert target.equal(high[..., :24, :32]) and source.shape == (2, 3, 6, 8)
    assert source.min() >= 0 and source.max() <= 1
    torch.testing.assert_close(source * 255, (source * 255).round(), atol=1e-4, rtol=0)
    assert (source - imresize(target, 6, 8).clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-6


def test_rounding_to_8_bit_clips_what_overshoots():
    rounded = round_to_8bit(torch.tensor([-0.1, 0.4999, 1.2]))
    torch.testing.assert_close(rounded, torch.tensor([0.0, 127 / 255, 1.0]))


def test_an_image_smaller_than_the_scale_is_refused():
    with pytest.raises(ValueError, match="9x3 image is smaller than scale 4"):
        crop_to_multiple(pictures(1, 3, 3, 9), 4)


def test_bicubic_on_set5_gives_the_published_psnr(shared: Path):
    """28.42 dB as published; 28.43 where targets are cut to a multiple of 4. On Y, border of 4 cut."""
    scores = []
    for path in sorted((shared / "data/Set5").glob("*.png")):
        high = torch.from_numpy(files.read(path).astype(np.float32) / 255).permute(2, 0, 1)[None]
        source, target = bicubic_pair(high, 4)
        enlarged = round_to_8bit(imresize(source, *target.shape[-2:]))
        error = luma(enlarged - target)[..., 4:-4, 4:-4]
        scores.append(10 * math.log10(255**2 / error.square().mean().item()))
    assert len(scores) == 5 and sum(scores) / 5 == pytest.approx(28.43, abs=0.01)


def luma(difference: Tensor) -> Tensor:
    """Y of BT.601 without its offset of 16, 0..255, of (N, 3, H, W) in [0, 1]."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64)
    return (difference.double() * weights.view(3, 1, 1)).sum(1)
