import pytest
import torch

from i2i.interop import interpolate
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.srvgg import SRVGGNet
from tests.published import assert_same_weights


def rrdb(**options: int | bool) -> RRDBNet:
    return RRDBNet(features=4, growth=2, **{"blocks": 1, **options}).eval()


def test_every_weight_lies_between_the_two() -> None:
    a, b = rrdb(), rrdb()
    between = interpolate(a, b, 0.8).state_dict()
    assert between.keys() == a.state_dict().keys()
    for key, tensor in between.items():
        torch.testing.assert_close(tensor, 0.2 * a.state_dict()[key] + 0.8 * b.state_dict()[key])


def test_the_denoising_strength_of_real_esrgan_is_1_less_alpha() -> None:
    strength = 0.3  # -dn of its program, which weighs the general network by it and its twin by the rest
    general, weak = (SRVGGNet(features=4, convolutions=1).eval() for _ in range(2))
    blended = interpolate(general, weak, 1 - strength).state_dict()
    for key, tensor in general.state_dict().items():
        torch.testing.assert_close(blended[key], strength * tensor + (1 - strength) * weak.state_dict()[key])


def test_the_ends_are_the_two_networks_exactly() -> None:
    a, b = rrdb(), rrdb()
    assert_same_weights(interpolate(a, b, 0), a)
    assert_same_weights(interpolate(a, b, 1), b)


def test_the_two_networks_stay_as_they_were() -> None:
    a, b = rrdb(), rrdb()
    before = {key: tensor.clone() for key, tensor in a.state_dict().items()}
    interpolate(a, b, 0.5)
    assert all(torch.equal(tensor, a.state_dict()[key]) for key, tensor in before.items())


def test_counters_are_not_blended() -> None:
    a, b = (ResnetGenerator(features=4, blocks=1, norm="batch") for _ in range(2))
    for key, tensor in b.state_dict().items():
        if key.endswith("num_batches_tracked"):
            tensor += 5
    counters = [tensor for key, tensor in interpolate(a, b, 0.5).state_dict().items() if "num_batches" in key]
    assert counters and all(tensor == 0 for tensor in counters)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_nothing_lies_beyond_the_two(alpha: float) -> None:
    with pytest.raises(ValueError, match="is beyond the two networks; allowed: from 0"):
        interpolate(rrdb(), rrdb(), alpha)


@pytest.mark.parametrize(
    "other",
    [
        SRVGGNet(features=4, convolutions=1),
        rrdb(blocks=2),
        rrdb(in_channels=1, out_channels=1),
        rrdb(scale=8),
        rrdb(scale=2),
    ],
    ids=lambda network: f"{type(network).__name__} x{network.scale}",
)
def test_networks_of_two_architectures_are_refused(other: ImageGenerator) -> None:
    with pytest.raises(
        ValueError, match=r"networks of two architectures .*: RRDBNet x4 with .*, and .* with .* weights"
    ):
        interpolate(rrdb(), other, 0.5)


def test_equal_shapes_do_not_make_an_equal_scale() -> None:
    # One up-sampling each, by 2 and by 3.
    with pytest.raises(ValueError, match="RRDBNet x3 with"):
        interpolate(rrdb(scale=2, unshuffle=False), rrdb(scale=3), 0.5)
