import pytest
import torch

from i2i.networks.generators.resnet import ResnetGenerator


def parameters(network) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.fixture
def without_memory():
    """Networks built in the test have shapes only, so that full-size ones cost nothing."""
    with torch.device("meta"):
        yield


@pytest.mark.parametrize(("blocks", "count"), [(9, 11_378_179), (6, 7_837_699)])
def test_parameter_counts_are_the_published_ones(blocks, count, without_memory):
    assert parameters(ResnetGenerator(blocks=blocks)) == count


@pytest.mark.parametrize(("norm", "keys"), [("instance", 48), ("batch", 140), ("none", 25)])
def test_biases_and_norms_are_where_they_were_published(norm, keys, without_memory):
    assert len(ResnetGenerator(norm=norm).state_dict()) == keys


def test_dropout_changes_no_key(without_memory):
    assert ResnetGenerator(dropout=True).state_dict().keys() == ResnetGenerator(dropout=False).state_dict().keys()


def test_no_blocks_are_allowed_and_fewer_are_not():
    assert ResnetGenerator(blocks=0, features=2)(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)
    with pytest.raises(ValueError, match="blocks = -1 is too small; allowed: 0 or more"):
        ResnetGenerator(blocks=-1)


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("up", [False, True])
def test_antialiasing_keeps_the_size_and_the_keys(down, up):
    network = ResnetGenerator(features=4, blocks=1, antialias_down=down, antialias_up=up)
    assert network(torch.rand(1, 3, 8, 20)).shape == (1, 3, 8, 20)
    keys = {key.rpartition(".")[2] for key in network.state_dict()}
    assert keys == {"weight", "bias"}, "filters are constants"
    assert len(network.state_dict()) == len(ResnetGenerator(features=4, blocks=1).state_dict())


def test_two_kinds_of_up_sampling_at_once_are_refused():
    with pytest.raises(ValueError, match="antialias_up takes the place of upsampling = resize; leave one of them out"):
        ResnetGenerator(antialias_up=True, upsampling="resize")


def test_a_residual_network_begins_near_the_identity_and_reaches_every_value():
    torch.manual_seed(0)
    network = ResnetGenerator(features=4, blocks=1, residual=True, init="xavier")
    image = 2 * torch.rand(1, 3, 16, 16) - 1
    assert (network(image) - image).abs().max() < 0.1
    convolution = network.head[1]
    torch.nn.init.zeros_(convolution.weight)
    torch.nn.init.constant_(convolution.bias, -10)
    result = network(torch.ones(1, 3, 16, 16))
    assert torch.allclose(result, -torch.ones(1, 3, 16, 16)), "white becomes black"


def test_a_residual_of_other_channels_is_refused():
    with pytest.raises(ValueError, match="residual: the result is added to the image, but 3 channels are to become 1"):
        ResnetGenerator(out_channels=1, residual=True)
