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


@pytest.mark.parametrize(("name", "distance"), [("l1", 0.0), ("l2", 0.0), ("charbonnier", 1e-3), ("ms-ssim-l1", 0.0)])
def test_equal_images_have_the_least_distance(name, distance):
    image = torch.rand(1, 3, 4, 4)
    assert pixel_losses[name]()(image, image).item() == pytest.approx(distance, abs=1e-6)


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
    fake = torch.tensor([0.2, 0.8]).view(1, 1, 1, 2).requires_grad_()
    (slope,) = torch.autograd.grad(pixel_losses[name]()(fake, torch.full((1, 1, 1, 2), 0.5)), fake)
    assert slope[..., 0] < 0 < slope[..., 1]


@pytest.mark.parametrize("name", list(pixel_losses))
def test_half_precision_is_widened_and_double_kept(name):
    loss = pixel_losses[name]()
    for given, expected in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        image = torch.rand(1, 3, 4, 4).to(given)
        assert loss(image, image).dtype == expected


def test_charbonnier_without_its_round_bottom_is_refused():
    with pytest.raises(ValueError, match=r"epsilon = 0.0 is refused; allowed: above 0"):
        pixel_losses["charbonnier"](epsilon=0.0)


def test_ms_ssim_is_that_of_windows_written_out_pixel_by_pixel():
    torch.manual_seed(0)
    x, y = torch.rand(2, 1, 2, 5, 6, dtype=torch.float64)
    y = 0.7 * x + 0.3 * y  # structures that agree
    rows, columns = torch.meshgrid(torch.arange(-16, 17), torch.arange(-16, 17), indexing="ij")
    expected = torch.zeros(())
    for row in range(5):
        for column in range(6):
            inside = (rows + row).clamp(0, 4), (columns + column).clamp(0, 5)
            of_pixel = 1.0
            for channel in range(2):
                a, b = (image[0, channel][inside] for image in (x, y))
                for sigma, exponent in zip((0.1, 1, 2, 4, 8), (0.0448, 0.2856, 0.3001, 0.2363, 0.1333), strict=True):
                    window = torch.exp(-(rows**2 + columns**2) / (2 * sigma**2)).double()
                    window /= window.sum()
                    mean_a, mean_b = (window * a).sum(), (window * b).sum()
                    spread = (window * (a - mean_a) ** 2).sum() + (window * (b - mean_b) ** 2).sum()
                    covariance = (window * (a - mean_a) * (b - mean_b)).sum()
                    of_pixel *= ((2 * covariance + 9e-4) / (spread + 9e-4)) ** exponent
                of_pixel *= (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
            absolute = sum((window * (x - y)[0, c].abs()[inside]).sum() for c in range(2)) / 2
            expected = expected + (0.3 * (1 - of_pixel) + 0.7 * absolute) / 30
    torch.testing.assert_close(pixel_losses["ms-ssim-l1"](share=0.3)(x, y), expected, rtol=1e-9, atol=0)
