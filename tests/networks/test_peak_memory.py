import pytest
import torch
from torch import nn

from i2i.networks.peak_memory import peak_memory

PIXELS = 6 * 10
FLOAT = 4  # bytes


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 3, 1))

    def forward(self, image):
        return image + self.inner(image)


@pytest.mark.parametrize(
    ("network", "channels"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)), 3 + 8 + 4),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 4, 1)), 3 + 8 + 4),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 1)), 3 + 8 + 8),
        (Residual(), 3 + 8 + 8),
        (nn.Sequential(nn.Conv2d(3, 16, 1), nn.PixelShuffle(2)), 3 + 16 + 16),
    ],
)
def test_the_peak_is_that_of_the_tensors_alive_at_once(network, channels) -> None:
    assert peak_memory(network, (1, 3, 6, 10)) == FLOAT * PIXELS * channels


def test_no_memory_is_taken_for_an_image_of_any_size() -> None:
    assert peak_memory(nn.Conv2d(3, 64, 3, padding=1), (1, 3, 10**6, 10**6)) == FLOAT * 10**12 * 67


def test_a_network_that_reads_values_of_its_tensors_is_not_counted() -> None:
    class Reading(nn.Module):
        def forward(self, image):
            return image / image.max().item()

    with pytest.raises((RuntimeError, NotImplementedError)):
        peak_memory(Reading(), (1, 3, 8, 8))


def test_the_network_keeps_its_weights_on_their_device() -> None:
    network = nn.Conv2d(3, 3, 1)
    peak_memory(network, (1, 3, 4, 4))
    assert network.weight.device == torch.device("cpu")
