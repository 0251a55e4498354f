import math

import pytest
import torch
from torch.nn import functional as F

from i2i.data.ada_transforms import (
    _Draws,
    _rotation,
    _Sample,
    _scaling,
    _translation,
    augment,
    colour_transform,
    geometric_transform,
)

ALWAYS, NEVER = torch.ones(()), torch.zeros(())


def moved(image: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return _Sample.apply(image, F.affine_grid(matrix[:, :2], list(image.shape), align_corners=False))


def column(*values: float) -> torch.Tensor:
    return torch.tensor([values])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_stay_as_they_are_with_probability_0_and_not_with_1(channels):
    images = torch.rand(4, channels, 16, 16) * 2 - 1
    torch.testing.assert_close(augment(images, NEVER), images, atol=1e-5, rtol=0)
    changed = augment(images, ALWAYS)
    assert changed.shape == images.shape and changed.isfinite().all()
    assert ((changed - images).abs().mean((1, 2, 3)) > 0.01).all()


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_each_change_is_made_with_its_probability(probability):
    draws = _Draws(20_000, torch.tensor(probability))
    once = draws.maybe(draws.uniform(1, 2), 0) != 0
    twice = torch.stack([draws.maybe(draws.uniform(1, 2), 0, calls=2) != 0 for _ in range(2)])
    assert once.float().mean().item() == pytest.approx(probability, abs=0.02)
    assert twice.any(0).float().mean().item() == pytest.approx(probability, abs=0.02)


def test_mirroring_right_angles_and_whole_pixels_move_pixels_and_change_none():
    image = torch.rand(1, 3, 16, 16)
    close = {"atol": 1e-5, "rtol": 0}
    torch.testing.assert_close(moved(image, _scaling(column(-1.0), column(1.0))), image.flip(3), **close)
    torch.testing.assert_close(moved(image, _rotation(column(math.pi / 2))), image.rot90(1, (2, 3)), **close)
    offset = column(3 * 2 / 16, -2 * 2 / 16)
    torch.testing.assert_close(moved(image, _translation(offset))[..., 2:, :-3], image[..., :-2, 3:], **close)


def test_flat_images_stay_flat_wherever_they_are_moved():
    images = torch.full((32, 1, 16, 16), 0.3)
    torch.testing.assert_close(moved(images, geometric_transform(_Draws(32, ALWAYS), 16)), images)


def test_the_changes_of_geometry_are_invertible_and_as_likely_to_enlarge_as_to_shrink():
    torch.manual_seed(0)
    determinants = torch.linalg.det(geometric_transform(_Draws(4000, ALWAYS), 64))
    logarithms = determinants.abs().log2()  # twice that of the scale
    assert abs(logarithms.mean().item()) < 0.03
    assert logarithms.std().item() == pytest.approx(0.4, rel=0.05)
    assert (determinants < 0).float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_colours_keep_greys_grey_and_turn_the_rest_about_them():
    brightness, matrix = colour_transform(_Draws(50, ALWAYS), 3)
    assert brightness.shape == (50, 1)
    grey = matrix.sum(2)
    torch.testing.assert_close(grey, grey[:, :1].expand(-1, 3))
    contrast = grey[:, 0].abs()
    orthogonal = torch.tensor([[1, -1, 0], [1, 1, -2]]) / torch.tensor([[2.0], [6.0]]).sqrt()
    turned = matrix @ orthogonal.T  # chroma: no grey comes in, and all of it is scaled alike
    torch.testing.assert_close(turned.sum(1), torch.zeros(50, 2), atol=1e-5, rtol=0)
    gram = turned.transpose(1, 2) @ turned
    saturation = gram[:, 0, 0].sqrt() / contrast
    torch.testing.assert_close(
        gram, (contrast * saturation).square()[:, None, None] * torch.eye(2), rtol=1e-4, atol=1e-5
    )
    assert (torch.linalg.det(matrix) * grey[:, 0] > 0).all(), "the chroma is turned, not mirrored"


def test_one_channel_has_brightness_contrast_and_inversion_alone():
    _, matrix = colour_transform(_Draws(500, ALWAYS), 1)
    assert matrix.shape == (500, 1, 1)
    assert (matrix < 0).float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_sampling_has_the_first_two_derivatives():
    image = torch.randn(2, 1, 4, 4, dtype=torch.double, requires_grad=True)
    matrix = geometric_transform(_Draws(2, ALWAYS), 4).double()
    assert torch.autograd.gradcheck(lambda x: moved(x, matrix).square(), image)
    assert torch.autograd.gradgradcheck(lambda x: moved(x, matrix).square(), image)


def test_every_image_has_its_own_draw():
    images = torch.rand(1, 3, 16, 16).expand(2, -1, -1, -1)
    first, second = augment(images, ALWAYS)
    assert not torch.allclose(first, second)
