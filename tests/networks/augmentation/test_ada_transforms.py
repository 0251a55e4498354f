import math
from functools import reduce

import pytest
import torch
from torch.nn import functional as F

from i2i.networks.augmentation.ada_transforms import (
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
def test_images_are_unchanged_with_probability_0_and_changed_with_1(channels):
    images = torch.rand(4, channels, 16, 16) * 2 - 1
    torch.testing.assert_close(augment(images, NEVER), images, atol=1e-5, rtol=0)
    changed = augment(images, ALWAYS)
    assert changed.shape == images.shape and changed.isfinite().all()
    assert ((changed - images).abs().mean((1, 2, 3)) > 0.01).all()


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_each_augmentation_is_applied_with_its_probability(probability):
    draws = _Draws(20_000, torch.tensor(probability))
    once = draws.maybe(draws.uniform(1, 2), 0) != 0
    twice = torch.stack([draws.maybe(draws.uniform(1, 2), 0, calls=2) != 0 for _ in range(2)])
    assert once.float().mean().item() == pytest.approx(probability, abs=0.02)
    assert twice.any(0).float().mean().item() == pytest.approx(probability, abs=0.02)


def test_flips_quarter_turns_and_integer_translations_move_pixels_without_interpolation():
    image = torch.rand(1, 3, 16, 16)
    close = {"atol": 1e-5, "rtol": 0}
    torch.testing.assert_close(moved(image, _scaling(column(-1.0), column(1.0))), image.flip(3), **close)
    torch.testing.assert_close(moved(image, _rotation(column(math.pi / 2))), image.rot90(1, (2, 3)), **close)
    offset = column(3 * 2 / 16, -2 * 2 / 16)
    torch.testing.assert_close(moved(image, _translation(offset))[..., 2:, :-3], image[..., :-2, 3:], **close)


def test_constant_images_stay_constant_as_borders_are_mirrored():
    images = torch.full((32, 1, 16, 16), 0.3)
    torch.testing.assert_close(moved(images, geometric_transform(_Draws(32, ALWAYS), 16, 16)), images)


class Only(_Draws):
    """Draws of which only the one at a place in the order of the calls is applied."""

    def __init__(self, place: int, probability: torch.Tensor = ALWAYS) -> None:
        super().__init__(8000, probability)
        self._place = place

    def maybe(self, values: torch.Tensor, identity: float, *, calls: int = 1) -> torch.Tensor:
        self._place -= 1
        applied = super().maybe(values, identity, calls=calls)
        return applied if self._place == -1 else torch.full_like(applied, identity)


def geometry(place: int, probability: torch.Tensor = ALWAYS) -> torch.Tensor:
    torch.manual_seed(0)
    return geometric_transform(Only(place, probability), 64, 64)


def colour(place: int, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return colour_transform(Only(place), channels)


def deviation(values: torch.Tensor) -> float:
    """The standard deviation of values whose mean is 0."""
    assert abs(values.mean().item()) < 0.05 * values.std().item()
    return values.std().item()


def angles(matrix: torch.Tensor) -> torch.Tensor:
    """The angles in turns, from 0 to 1, of matrices that are rotations."""
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3).expand_as(matrix), atol=1e-5, rtol=0)
    assert (torch.linalg.det(matrix) > 0).all()
    return (torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0]) / (2 * math.pi)) % 1


def test_flips_mirror_x_for_half_of_the_images():
    matrix = geometry(0)
    signs = matrix[:, 0, 0]
    torch.testing.assert_close(matrix, torch.diag_embed(torch.stack([signs, signs.abs(), signs.abs()], 1)))
    assert deviation(signs) == pytest.approx(1, abs=0.01)


def test_quarter_turns_are_uniform():
    turns = (angles(geometry(1)) * 4).round().long() % 4
    assert turns.bincount().div(8000).tolist() == pytest.approx([0.25] * 4, abs=0.02)


def test_integer_translations_are_uniform_within_an_eighth_of_the_size():
    pixels = geometry(2)[:, :2, 2] * 64 / 2
    torch.testing.assert_close(pixels, pixels.round(), atol=1e-4, rtol=0)
    assert pixels.abs().max().item() == 8 and deviation(pixels) == pytest.approx(16 / math.sqrt(12), rel=0.02)


@pytest.mark.parametrize("place", [3, 6])
def test_scaling_and_stretching_are_log_normal(place):
    matrix = geometry(place)
    assert deviation(matrix[:, 0, 0].log2()) == pytest.approx(0.2, rel=0.03)
    expected = matrix[:, 0, 0] if place == 3 else 1 / matrix[:, 0, 0]
    torch.testing.assert_close(matrix[:, 1, 1], expected)


@pytest.mark.parametrize("place", [4, 5])
def test_each_of_two_rotations_is_uniform_and_applied_with_half_of_the_probability(place):
    turns = angles(geometry(place))
    assert turns.mul(8).long().bincount().div(8000).tolist() == pytest.approx([0.125] * 8, abs=0.02)
    rotated = angles(geometry(place, torch.tensor(0.5))) != 0
    assert rotated.float().mean().item() == pytest.approx(1 - math.sqrt(0.5), abs=0.02)


def test_translations_are_normal():
    assert deviation(geometry(7)[:, :2, 2] / 2) == pytest.approx(0.125, rel=0.03)


def test_brightness_is_normal_and_contrast_log_normal():
    brightness, identity = colour(0)
    assert brightness.shape == (8000, 1) and deviation(brightness) == pytest.approx(0.2, rel=0.03)
    torch.testing.assert_close(identity, torch.eye(3).expand_as(identity))
    none, matrix = colour(1)
    assert (none == 0).all() and deviation(matrix[:, 0, 0].log2()) == pytest.approx(0.5, rel=0.03)
    torch.testing.assert_close(matrix, matrix[:, :1, :1] * torch.eye(3))


GREY = torch.ones(3) / math.sqrt(3)


def test_luma_is_inverted_for_half_of_the_images_and_chroma_stays():
    _, matrix = colour(2)
    signs = matrix @ GREY @ GREY
    assert deviation(signs) == pytest.approx(1, abs=0.01)
    chroma = torch.eye(3) - torch.outer(GREY, GREY)
    torch.testing.assert_close(matrix, signs[:, None, None] * torch.outer(GREY, GREY) + chroma, atol=1e-6, rtol=0)


def test_hue_is_a_uniform_rotation_about_the_axis_of_greys_for_three_channels_only():
    _, matrix = colour(3)
    torch.testing.assert_close(matrix @ GREY, GREY.expand(8000, 3))
    red, green = torch.tensor([2.0, -1, -1]) / math.sqrt(6), torch.tensor([0.0, 1, -1]) / math.sqrt(2)
    plane = torch.stack([GREY, red, green])
    turns = angles((plane @ matrix @ plane.T)[:, [1, 2, 0]][:, :, [1, 2, 0]])
    assert turns.mul(8).long().bincount().div(8000).tolist() == pytest.approx([0.125] * 8, abs=0.02)
    for channels in (1, 4):
        assert (colour(3, channels)[1] - torch.eye(channels)).abs().max() < 1e-6


def test_saturation_is_log_normal_and_keeps_greys():
    _, matrix = colour(4)
    torch.testing.assert_close(matrix @ GREY, GREY.expand(8000, 3), atol=1e-5, rtol=0)
    factors = matrix.diagonal(dim1=1, dim2=2).sum(1).sub(1) / 2
    assert deviation(factors.log2()) == pytest.approx(1, rel=0.03)


def test_transforms_are_composed_in_the_inverse_order_of_the_paper():
    torch.manual_seed(0)
    matrix = geometric_transform(_Draws(8000, ALWAYS), 64, 64)
    order = (0, 1, 2, 3, 4, 6, 5, 7)  # the two rotations are drawn one after the other
    torch.testing.assert_close(matrix, reduce(torch.matmul, map(geometry, order)), atol=1e-4, rtol=0)
    torch.manual_seed(0)
    _, matrix = colour_transform(_Draws(8000, ALWAYS), 3)
    singles = reduce(torch.matmul, (colour(place)[1] for place in range(1, 5)))
    torch.testing.assert_close(matrix, singles, atol=1e-4, rtol=1e-4)


def test_sampling_has_the_first_two_derivatives():
    image = torch.randn(2, 1, 4, 4, dtype=torch.double, requires_grad=True)
    matrix = geometric_transform(_Draws(2, ALWAYS), 4, 4).double()
    assert torch.autograd.gradcheck(lambda x: moved(x, matrix).square(), image)
    assert torch.autograd.gradgradcheck(lambda x: moved(x, matrix).square(), image)


def test_every_image_has_a_draw_of_its_own():
    images = torch.rand(1, 3, 16, 16).expand(2, -1, -1, -1)
    first, second = augment(images, ALWAYS)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("place", [1, 4, 5])
def test_rotations_of_oblong_images_keep_distances_in_pixels(place):
    torch.manual_seed(0)
    matrix = geometric_transform(Only(place), 32, 64)
    pixels = torch.tensor([64 / 2, 32 / 2, 1.0])
    angles(pixels[:, None] * matrix / pixels)
    assert not torch.allclose(matrix @ matrix.mT, torch.eye(3).expand_as(matrix))


@pytest.mark.parametrize(("place", "expected"), [(2, 0.25 / math.sqrt(12)), (7, 0.125)])
def test_translations_of_oblong_images_are_in_parts_of_each_side(place, expected):
    torch.manual_seed(0)
    offsets = geometric_transform(Only(place), 32, 128)[:, :2, 2] / 2
    for side in offsets.T:
        assert deviation(side) == pytest.approx(expected, rel=0.1)
