import pytest
import torch
from torch import nn

from i2i.networks.generators.srvgg import SRVGGNet
from i2i.registry import generators


def small(**options) -> SRVGGNet:
    torch.manual_seed(0)
    return generators["srvgg"](**{"features": 4, "convolutions": 2, **options})


@pytest.mark.parametrize(("convolutions", "count", "keys"), [(16, 621_424, 53), (32, 1_213_296, 101)])
def test_parameter_counts_are_the_published_ones(convolutions, count, keys):
    with torch.device("meta"):
        generator = SRVGGNet(convolutions=convolutions)
    assert sum(weight.numel() for weight in generator.parameters()) == count
    assert len(generator.state_dict()) == keys


@pytest.mark.parametrize("activation", ["prelu", "relu", "leakyrelu"])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_every_scale_magnifies_any_size_and_has_gradients(scale, activation):
    generator = small(scale=scale, activation=activation, in_channels=4, out_channels=4)
    assert generator.scale == scale and generator.value_range == (0, 1)
    result = generator(torch.rand(2, 4, 1, 5))
    assert result.shape == (2, 4, scale, 5 * scale)
    result.square().mean().backward()
    assert all(weight.grad is not None for weight in generator.parameters())


def test_detail_is_added_to_repeated_pixels():
    generator, image = small(scale=3), torch.rand(1, 3, 4, 5)
    nn.init.zeros_(generator.head.weight)
    nn.init.constant_(generator.head.bias, 0.5)
    torch.testing.assert_close(generator(image), 0.5 + image.repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_from_init_nearest_it_starts_as_nearest_neighbour_up_sampling_and_every_weight_learns():
    generator, image = small(scale=3, init="nearest"), torch.rand(1, 3, 4, 5)
    assert torch.equal(generator(image), image.repeat_interleave(3, 2).repeat_interleave(3, 3))
    optimizer = torch.optim.SGD(generator.parameters(), lr=0.1)
    for _ in range(2):  # the first step moves the last convolution off 0, through which others have a gradient then
        optimizer.zero_grad()
        generator(image).square().mean().backward()
        optimizer.step()
    assert all(weight.grad.any() for weight in generator.parameters())


@pytest.mark.parametrize(("activation", "slope"), [("prelu", 0.25), ("relu", 0.0), ("leakyrelu", 0.1)])
def test_activations_let_this_much_of_what_is_negative_through(activation, slope):
    step = small(activation=activation).stem
    nn.init.zeros_(step[0].weight)
    nn.init.constant_(step[0].bias, -1.0)
    torch.testing.assert_close(step(torch.rand(1, 3, 2, 2)), torch.full((1, 4, 2, 2), -slope))


def test_a_batch_of_two_is_two_batches_of_one():
    generator, images = small().train().double(), torch.rand(2, 3, 6, 5, dtype=torch.double)
    assert generator.batch_independent
    torch.testing.assert_close(generator(images), torch.cat([generator(images[:1]), generator(images[1:])]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"out_channels": 1}, "out_channels = 1 is refused; allowed: in_channels = 3, since"),
        ({"activation": "gelu"}, "unknown activation 'gelu'; did you mean 'relu'"),
        ({"scale": 0}, "scale = 0 is too small; allowed: 1 or more"),
        ({"init": "nearst"}, "unknown init 'nearst'; did you mean 'nearest'"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        SRVGGNet(**options)
