import math

import pytest
import torch

from i2i.registry import pixel_losses


@pytest.mark.parametrize(
    ("name", "distance"),
    [("l1", 0.25), ("l2", 0.0625), ("charbonnier", math.sqrt(0.25**2 + 1e-6))],
)
def test_distance_of_images_that_differ_everywhere_alike_has_its_closed_form(name, distance):
    target = torch.rand(2, 3, 4, 5)
    for fake in (target + 0.25, target - 0.25):
        assert pixel_losses[name]()(fake, target).item() == pytest.approx(distance, rel=1e-5)


@pytest.mark.parametrize(("name", "distance"), [("l1", 0.0), ("l2", 0.0), ("charbonnier", 1e-3)])
def test_equal_images_have_the_least_distance(name, distance):
    image = torch.rand(1, 3, 4, 4)
    assert pixel_losses[name]()(image, image).item() == pytest.approx(distance)


def test_charbonnier_is_l1_far_from_zero_and_smooth_at_zero():
    torch.manual_seed(0)
    fake, target = torch.rand(2, 1, 3, 8, 8)
    narrow = pixel_losses["charbonnier"](epsilon=1e-6)
    torch.testing.assert_close(narrow(fake, target), pixel_losses["l1"]()(fake, target), rtol=1e-4, atol=0)
    same = target.clone().requires_grad_()
    (slope,) = torch.autograd.grad(pixel_losses["charbonnier"]()(same, target), same)
    assert torch.equal(slope, torch.zeros_like(slope))


@pytest.mark.parametrize("name", list(pixel_losses))
def test_gradient_leads_to_the_target(name):
    fake = torch.tensor([0.2, 0.8], requires_grad=True)
    (slope,) = torch.autograd.grad(pixel_losses[name]()(fake, torch.tensor([0.5, 0.5])), fake)
    assert slope[0] < 0 < slope[1]


@pytest.mark.parametrize("name", list(pixel_losses))
def test_half_precision_is_widened_and_double_kept(name):
    loss = pixel_losses[name]()
    for given, expected in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        image = torch.rand(1, 3, 4, 4).to(given)
        assert loss(image, image).dtype == expected


def test_charbonnier_without_its_round_bottom_is_refused():
    with pytest.raises(ValueError, match=r"epsilon = 0.0 is refused; allowed: above 0"):
        pixel_losses["charbonnier"](epsilon=0.0)
