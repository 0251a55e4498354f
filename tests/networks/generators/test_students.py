"""Small generators for real time: what holds for each of them."""

import pytest
import torch
from torch import Tensor, nn

from i2i.networks.generators.base import ImageGenerator
from i2i.registry import generators

STUDENTS = ["light-unet", "mobile-resnet"]


def student(name: str, **options: int) -> ImageGenerator:
    """A small one with large weights everywhere, so that what it does to an image is plain to see."""
    torch.manual_seed(0)
    generator = generators[name](**{"features": 4, "blocks": 1, **options}).double()
    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0.0, 0.3)
    return generator


def noise(channels: int, height: int, width: int) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0)).double() * 2 - 1


@pytest.mark.parametrize("channels", [(3, 3), (4, 2)])
@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_keeps_size_and_range_and_every_weight_learns(name: str, channels: tuple[int, int]) -> None:
    generator = student(name, in_channels=channels[0], out_channels=channels[1])
    step = generator.multiple_of
    result = generator(noise(channels[0], 2 * step, 3 * step))
    assert result.shape == (2, channels[1], 2 * step, 3 * step) and result.abs().max() <= 1
    result.square().mean().backward()
    assert all(weight.grad is not None for weight in generator.parameters())


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_starts_near_its_image(name: str) -> None:
    torch.manual_seed(0)
    generator, image = generators[name](blocks=2).double(), noise(3, 16, 16) / 2
    torch.testing.assert_close(generator(image), image, rtol=0, atol=0.5)


@pytest.mark.parametrize("blocks", [0, 2])
@pytest.mark.parametrize("name", STUDENTS)
def test_pixels_beyond_half_the_overlap_change_nothing(name: str, blocks: int) -> None:
    generator = student(name, blocks=blocks, features=2)
    radius = generator.overlap // 2
    size = -(-(2 * radius + 16) // 8) * 8
    image = noise(3, size, 8)[:1]
    before = generator(image)
    reached = 0
    for row in range(size // 2, size // 2 + 8):  # at every place within a block
        changed = image.clone()
        changed[:, :, row] = 0
        rows = (generator(changed) != before).any(dim=(0, 1, 3)).nonzero().flatten()
        assert (rows - row).abs().max() <= radius
        reached = max(reached, int((rows - row).abs().max()))
    assert reached > radius / 2, "it is no more than twice what is needed"
