"""Anti-aliased resampling against the authors' filters, written plainly, in float64."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.networks.antialiasing import AntialiasedDownsample, AntialiasedUpsample


def features(height: int, width: int) -> Tensor:
    return torch.randn(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(2, 3), (8, 8), (7, 12)])
def test_down_sampling_is_every_second_pixel_of_a_mirrored_and_filtered_map(size: tuple[int, int]) -> None:
    maps = features(*size)
    padded = F.pad(maps, (1, 1, 1, 1), mode="reflect")
    rows = (padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]) / 4
    filtered = (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4
    torch.testing.assert_close(AntialiasedDownsample().double()(maps), filtered[..., ::2, ::2], rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", [(1, 2), (4, 4), (3, 5)])
def test_up_sampling_is_a_filter_over_zeros_between_repeated_edges(size: tuple[int, int]) -> None:
    maps = features(*size)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 4
    kernel = torch.outer(taps, taps).repeat(3, 1, 1, 1)
    padded = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    expected = F.conv_transpose2d(padded, kernel, stride=2, padding=2, groups=3)[:, :, 1:-1, 1:-1]
    assert expected.shape[2:] == (2 * size[0], 2 * size[1])
    torch.testing.assert_close(AntialiasedUpsample()(maps), expected, rtol=0, atol=1e-14)


def test_a_checkerboard_is_filtered_away_and_a_constant_kept() -> None:
    rows, columns = torch.arange(8)[:, None], torch.arange(8)
    checkerboard = ((rows + columns) % 2).double()[None, None]
    torch.testing.assert_close(AntialiasedDownsample().double()(checkerboard), torch.full((1, 1, 4, 4), 0.5).double())
    constant = torch.ones(1, 2, 6, 6)
    assert torch.equal(AntialiasedUpsample()(AntialiasedDownsample()(constant)), constant)


def test_the_filter_has_values_in_a_network_that_was_built_without() -> None:
    with torch.device("meta"):
        layer = AntialiasedDownsample()
    assert layer(torch.ones(1, 1, 4, 4)).sum() == 4
