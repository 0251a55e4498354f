"""SPADE's norm depends on the label map where an instance norm washes a uniform one away."""

import pytest
import torch
from torch import nn

from i2i.label_maps import one_hot
from i2i.networks.generators.spade import Spade, SpadeGenerator
from i2i.networks.layers import InstanceNorm2d, initialise


def spade(norm="instance", *, classes: int = 3, features: int = 4) -> Spade:
    torch.manual_seed(0)
    layer = Spade(features, classes, hidden=8, norm=norm).double()
    initialise(layer, "normal", 0.5)
    return layer


def uniform(number: int, size: int = 8) -> torch.Tensor:
    """The one-hot label map of a scene that shows a single class of three."""
    return one_hot(torch.full((2, size, size), number), 3).double()


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_without_scale_and_shift_it_is_the_plain_norm(norm):
    layer = spade(norm)
    for convolution in (layer.gamma, layer.beta):
        nn.init.zeros_(convolution.weight), nn.init.zeros_(convolution.bias)
    features = torch.randn(2, 4, 8, 8, dtype=torch.double)
    plain = nn.BatchNorm2d(4, affine=False) if norm == "batch" else InstanceNorm2d(4)
    assert layer(features, uniform(1)).allclose(plain.double()(features), atol=1e-12)


def test_scale_and_shift_are_those_of_the_pixels_class():
    layer = spade()
    left = torch.zeros(1, 8, 8, dtype=torch.int64)
    left[..., 4:] = 2
    mixed, features = one_hot(left, 3).double(), torch.randn(1, 4, 8, 8, dtype=torch.double)
    result, of_0, of_2 = (layer(features, labels) for labels in (mixed, uniform(0)[:1], uniform(2)[:1]))
    # Two 3x3 convolutions see two pixels to each side.
    assert result[..., :2].allclose(of_0[..., :2]) and result[..., 6:].allclose(of_2[..., 6:])
    assert not result[..., :2].allclose(of_2[..., :2])


def test_a_uniform_label_map_survives_which_an_instance_norm_washes_away():
    """The paper's argument (section 3.1): one constant less its mean is the same as another."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3, padding=1, padding_mode="replicate").double()
    norm = nn.Sequential(convolution, InstanceNorm2d(4))
    assert norm(uniform(0)).allclose(norm(uniform(2)), atol=1e-5)
    layer = spade()
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # without the padding's influence
    zero, two = (layer(convolution(uniform(number)), uniform(number))[inside] for number in (0, 2))
    assert (zero - two).abs().amin(dim=(0, 2, 3)).min() > 0.01


def small(**options) -> SpadeGenerator:
    torch.manual_seed(0)
    return SpadeGenerator(**{"in_channels": 3, "features": 2, "depth": 3, "hidden": 4, "init_gain": 1.0, **options})


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_the_generator_keeps_size_and_range_and_trains_all_weights(norm):
    generator = small(norm=norm, out_channels=2)
    assert generator.multiple_of == 8 and generator.min_size == 16
    result = generator(one_hot(torch.randint(3, (2, 16, 24)), 3))
    assert result.shape == (2, 2, 16, 24) and result.abs().max() <= 1
    result.square().mean().backward()
    assert all(weight.grad is not None for weight in generator.parameters())


def test_the_generator_tells_uniform_label_maps_apart():
    generator = small(norm="instance").eval()
    with torch.no_grad():
        zero, two = (generator(uniform(number, 32).float()) for number in (0, 2))
    assert (zero - two).abs().mean() > 0.05


def test_batch_independence_is_what_the_generator_claims():
    images = one_hot(torch.randint(3, (2, 16, 16), generator=torch.Generator().manual_seed(1)), 3)
    for norm in ("batch", "instance"):
        generator = small(norm=norm, spectral_norm=False).double()
        with torch.no_grad():
            alone = torch.cat([generator(each[None].double()) for each in images])
            assert torch.allclose(generator(images.double()), alone, atol=1e-9) == generator.batch_independent


def test_parameters_are_as_many_as_published():
    """93.0 million for Cityscapes, of 35 classes and the edges of instances (Li 2020, GAN Compression, table 1)."""
    with torch.device("meta"):
        generator = SpadeGenerator(in_channels=36, spectral_norm=False)
    assert round(sum(weight.numel() for weight in generator.parameters()) / 1e6, 1) == 93.0
