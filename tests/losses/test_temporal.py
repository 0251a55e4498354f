"""The temporal loss is of what does not move with the frame."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.losses.temporal import draw_motion, temporal_difference


def smooth(count: int = 2, size: int = 32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, size // 8, size // 8, generator=generator, dtype=torch.float64)
    return F.interpolate(coarse, scale_factor=8, mode="bicubic", align_corners=True)


def motions(count: int = 2) -> Tensor:
    torch.manual_seed(0)
    return draw_motion(count)


@pytest.mark.parametrize("translate", [lambda image: image, lambda image: 3 * image.flip(1) - 1])
def test_what_moves_with_the_frame_costs_nothing(translate) -> None:
    source = smooth()
    assert temporal_difference(translate, source, translate(source), motions()) < 1e-12


def test_a_texture_that_sticks_to_the_screen_costs_its_difference() -> None:
    """By a shift of one pixel a ramp of 1/8 a pixel differs by 1/8."""
    ramp = (torch.arange(32, dtype=torch.float64) / 8).expand(2, 3, 32, 32)
    shift = torch.tensor([[[1.0, 0, 2 / 32], [0, 1, 0]]] * 2)

    def translate(image: Tensor) -> Tensor:
        return image + ramp

    cost = temporal_difference(translate, smooth(), translate(smooth()), shift)
    torch.testing.assert_close(cost, torch.tensor(1 / 8, dtype=torch.float64), rtol=1e-6, atol=0)


def test_what_comes_into_view_does_not_count() -> None:
    """A shift by half of the image: only what is seen in both is compared, where nothing differs."""
    source, right_half = smooth(), (torch.arange(32) >= 16).double()
    shift = torch.tensor([[[1.0, 0, 1], [0, 1, 0]]] * 2)
    assert temporal_difference(lambda image: image + right_half, source, source, shift) < 1e-12
    assert temporal_difference(lambda image: image + 1 - right_half, source, source, shift) > 0.9


def test_larger_translations_move_as_much() -> None:
    def enlarge(image: Tensor) -> Tensor:
        return F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)

    source, motion = smooth(), motions()
    ours = temporal_difference(enlarge, source, enlarge(source), motion)
    stuck = temporal_difference(lambda _: enlarge(source), source, enlarge(source), motion)
    assert ours < 0.1 * stuck


def test_motions_are_small_and_differ() -> None:
    torch.manual_seed(0)
    drawn = draw_motion(200).double()
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]], dtype=torch.float64)
    apart = torch.einsum("nij,kj->nki", drawn, corners) - corners[:, :2]
    assert 0.02 < apart.abs().mean() < 0.1 and apart.abs().max() < 0.15
    assert drawn.std(0).min() > 1e-5


def test_both_translations_have_a_gradient() -> None:
    source, weight = smooth(), torch.ones((), dtype=torch.float64, requires_grad=True)
    ramp = torch.arange(32, dtype=torch.float64) / 8

    def translate(image: Tensor) -> Tensor:
        return weight * image + weight**2 * ramp

    translation = translate(source).detach().requires_grad_()
    temporal_difference(translate, source, translation, motions()).backward()
    assert weight.grad and translation.grad is not None and translation.grad.abs().sum() > 0
