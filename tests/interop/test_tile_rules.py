import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.interop.tile_rules import measure_tiles


def blur(image: Tensor, radius: int) -> Tensor:
    """Mean over squares of pixels, zeros around the image."""
    return F.avg_pool2d(image, 2 * radius + 1, stride=1, padding=radius)


def measure(network, *, scale: int = 1, multiple_of: int = 1):
    return measure_tiles(network, channels=3, scale=scale, multiple_of=multiple_of, min_size=1)


@pytest.mark.parametrize("radius", [1, 5, 30])
def test_the_overlap_is_twice_the_radius_of_the_receptive_field(radius):
    assert measure(lambda image: blur(image, radius)) == (1, 2 * radius)
    assert measure(lambda image: F.interpolate(blur(image, radius), scale_factor=2.0), scale=2) == (1, 2 * radius)


def test_the_radius_is_the_larger_one_of_rows_and_columns():
    def network(image: Tensor) -> Tensor:
        return F.avg_pool2d(image, (15, 3), stride=1, padding=(7, 1))

    assert measure(network).overlap == 14


@pytest.mark.parametrize("window", [4, 7, 12, 32])
def test_tiles_of_a_network_of_windows_begin_at_multiples_of_the_window(window):
    def network(image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        padded = F.pad(image, (0, -width % window, 0, -height % window), "reflect")
        means = F.interpolate(F.avg_pool2d(padded, window), scale_factor=float(window))
        return (image + means[..., :height, :width]) / 2

    step, overlap = measure(network)
    assert step == window and overlap % window == 0


def test_tiles_are_multiples_of_what_a_network_pads_images_to():
    def network(image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        padded = F.pad(image, (0, -width % 8, 0, -height % 8), "reflect")
        return blur(padded, 3)[..., :height, :width]

    assert measure(network) == (8, 16)


def test_a_network_with_statistics_of_the_image_takes_whole_images():
    assert measure(lambda image: image - image.mean(dim=(2, 3), keepdim=True) + 0.5) == (0, 0)


def test_statistics_that_change_less_than_a_quarter_of_a_grey_level_do_not_count():
    assert measure(lambda image: blur(image, 1) + 1e-4 * image.mean()).overlap == 2


def test_a_network_sees_only_sizes_that_it_takes():
    def network(image: Tensor) -> Tensor:
        assert image.shape[2] % 8 == image.shape[3] % 8 == 0
        return blur(image, 3)

    assert measure(network, multiple_of=8) == (8, 16)


def test_the_measurement_is_the_same_at_every_call():
    def network(image: Tensor) -> Tensor:
        return torch.tanh(blur(image, 9))

    assert measure(network) == measure(network)
