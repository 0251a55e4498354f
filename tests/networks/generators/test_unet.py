import pytest
import torch
from torch import nn

from i2i.networks.generators.unet import UnetGenerator


@pytest.mark.parametrize(
    ("options", "count", "keys"),
    [
        ({}, 54_413_955, 82),
        ({"norm": "instance"}, 54_409_603, 32),
        ({"depth": 7}, 41_828_995, 70),
    ],
)
def test_parameter_counts_are_the_published_ones(options, count, keys):
    with torch.device("meta"):
        generator = UnetGenerator(**options)
    assert sum(weight.numel() for weight in generator.parameters()) == count
    assert len(generator.state_dict()) == keys


@pytest.mark.parametrize("depth", range(2, 9))
def test_any_depth_keeps_the_size(depth):
    generator = UnetGenerator(depth=depth, features=1, norm="instance")
    assert generator.multiple_of == generator.min_size == 2**depth
    assert generator(torch.zeros(1, 3, 2**depth, 2 ** (depth + 1))).shape == (1, 3, 2**depth, 2 ** (depth + 1))


@pytest.mark.parametrize(("depth", "count"), [(8, 3), (7, 2), (5, 0)])
def test_dropout_is_only_between_the_widest_levels(depth, count):
    with torch.device("meta"):
        generator = UnetGenerator(depth=depth)
    assert sum(isinstance(layer, nn.Dropout) for layer in generator.modules()) == count


def test_skips_carry_detail_around_the_bottom():
    torch.manual_seed(0)
    generator = UnetGenerator(depth=3, features=4, norm="none", init_gain=0.3)
    nn.init.zeros_(generator.up[0][1].weight)  # nothing comes up from the bottom any more
    one, other = torch.rand(2, 1, 3, 16, 16)
    assert not torch.allclose(generator(one), generator(other))


def test_depth_below_two_is_refused():
    with pytest.raises(ValueError, match="depth = 1 is too small; allowed: 2 or more"):
        UnetGenerator(depth=1)
