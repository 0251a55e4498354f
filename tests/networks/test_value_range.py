import numpy as np
import pytest
import torch

from i2i.networks.value_range import ValueRange

RANGES = [ValueRange(-1, 1), ValueRange(0, 1), ValueRange(-0.5, 2.5)]
each_range = pytest.mark.parametrize("value_range", RANGES, ids=str)


@each_range
def test_black_and_white_are_the_ends_of_both_ranges(value_range):
    ends = torch.tensor([value_range.low, value_range.high])
    assert value_range.to_unit(ends).tolist() == [0, 1]
    assert value_range.from_unit(torch.tensor([0.0, 1.0])).tolist() == ends.tolist()
    assert value_range.width == value_range.high - value_range.low


@each_range
def test_values_outside_of_the_range_are_kept_until_they_become_levels(value_range):
    beyond = torch.tensor([value_range.low - value_range.width, value_range.high + value_range.width])
    assert value_range.to_unit(beyond).tolist() == [-1, 2]
    assert value_range.to_levels(beyond).tolist() == [0, 1]


@each_range
def test_all_levels_of_a_file_come_back_exactly(value_range):
    pixels = np.arange(2 * 16 * 8 * 3, dtype=np.uint32).astype(np.uint8).reshape(2, 16, 8, 3)
    unit = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    images = value_range.from_unit(unit) + 0.3 * value_range.width / 255
    np.testing.assert_array_equal(value_range.to_pixels(images), pixels)
    torch.testing.assert_close(value_range.to_levels(images), unit)
    assert value_range.to_pixels(images).flags["C_CONTIGUOUS"]
