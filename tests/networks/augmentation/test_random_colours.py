"""Random colours: shapes stay, colours do not, and images differ."""

import torch

from i2i.networks.augmentation import random_colours as subject
from i2i.networks.augmentation.random_colours import random_colours


def two_halves(count: int) -> torch.Tensor:
    """Images whose left half is red and whose right half is blue."""
    image = torch.full((3, 8, 16), -0.5)
    image[0, :, :8] = image[2, :, 8:] = 0.5
    return image.expand(count, -1, -1, -1)


def test_surfaces_of_one_colour_stay_so_but_for_stains_and_grain(monkeypatch):
    monkeypatch.setattr(subject, "_STAINS", 0.0)
    monkeypatch.setattr(subject, "_GRAIN", 0.0)
    changed = random_colours(two_halves(50))
    torch.testing.assert_close(changed[..., :8], changed[..., :1, :1].expand(-1, -1, 8, 8))
    torch.testing.assert_close(changed[..., 8:], changed[..., :1, 8:9].expand(-1, -1, 8, 8))
    assert ((changed[..., 0, 0] - changed[..., 0, 8]).abs().amax(1) > 0.02).all(), "the edge between them is seen"


def test_every_channel_can_become_every_other():
    red_half = random_colours(two_halves(4000))[..., :8].mean((2, 3))
    strongest = red_half.argmax(1).bincount(minlength=3) / 4000
    assert (strongest > 0.1).all(), strongest


def test_images_of_a_batch_change_differently_and_stay_in_range():
    changed = random_colours(two_halves(20))
    means = changed.mean((2, 3))
    assert torch.cdist(means, means).fill_diagonal_(1).min() > 1e-4
    assert changed.min() >= -1 and changed.max() <= 1
