import pytest
import torch

from i2i.networks.generators import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.registry import generators

SMALL = {"resnet": {"features": 4, "blocks": 2}, "unet": {"features": 4, "depth": 4, "dropout": False}}


def small(name: str, **options) -> ImageGenerator:
    """A small generator with large weights, so that what it does to an image is plain to see."""
    torch.manual_seed(0)
    return generators[name](**{**SMALL[name], "init_gain": 0.3, **options})


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("name", SMALL)
def test_batch_independence_is_what_the_generator_claims(name, norm):
    generator = small(name, norm=norm).train().double()
    images = torch.rand(2, 3, 32, 32, dtype=torch.double) * 2 - 1
    images[1] *= 0.1
    with torch.no_grad():
        together = generator(images)
        alone = torch.cat([generator(images[:1]), generator(images[1:])])
    assert generator.batch_independent == (norm != "batch")
    assert generator.batch_independent == torch.allclose(together, alone, atol=1e-9)


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("name", SMALL)
def test_every_variant_keeps_size_and_range_and_has_gradients(name, norm, upsampling):
    generator = small(name, norm=norm, upsampling=upsampling, in_channels=4, out_channels=2)
    step = generator.multiple_of
    result = generator(torch.rand(2, 4, 2 * step, 3 * step) * 2 - 1)
    assert result.shape == (2, 2, 2 * step, 3 * step)
    assert result.abs().max() <= 1
    result.square().mean().backward()
    assert all(weight.grad is not None for weight in generator.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_smallest_size_works_and_smaller_is_refused(name):
    generator = small(name, norm="instance").train()
    smallest = generator.min_size
    generator.check_size(smallest, smallest)
    assert generator(torch.zeros(1, 3, smallest, smallest)).shape == (1, 3, smallest, smallest)
    with pytest.raises(ValueError, match=f"height {smallest} and width {smallest // 2}; both must be multiples of"):
        generator.check_size(smallest, smallest // 2)
    with pytest.raises(ValueError, match="both must be multiples of"):
        generator.check_size(4 * smallest + 1, 4 * smallest)


@pytest.mark.parametrize("name", SMALL)
def test_dropout_acts_in_training_only(name):
    generator = small(name, dropout=True, norm="instance", **({"depth": 6} if name == "unet" else {}))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.equal(generator(image), generator(image))
        generator.eval()
        assert torch.equal(generator(image), generator(image))


@pytest.mark.parametrize("name", SMALL)
def test_features_do_not_depend_on_the_other_layers_returned(name):
    generator, image = small(name, norm="instance").double(), torch.rand(1, 3, 32, 32, dtype=torch.double)
    count = len(list(generator.feature_layers()))
    every = generator.features(image, range(count))
    for number, expected in enumerate(every):
        torch.testing.assert_close(generator.features(image, [number])[0], expected, rtol=0, atol=0)
    last, first = generator.features(image, [count - 1, 0])
    assert torch.equal(first, every[0]) and torch.equal(last, every[-1])


def test_the_last_feature_of_a_resnet_is_its_image():
    generator, image = small("resnet"), torch.rand(2, 3, 16, 16)
    *_, last = generator.feature_layers()
    assert last is generator.head[-1]
    assert torch.equal(generator.features(image, [len(list(generator.feature_layers())) - 1])[0], generator(image))


def test_the_encoder_pass_stops_at_the_last_layer_returned():
    generator = small("resnet")
    generator.blocks[1] = None  # cannot be called
    generator.features(torch.rand(1, 3, 16, 16), [0, 10])


@pytest.mark.parametrize("layers", [[0, 4, 8, 10], [9, 8], [3]])
def test_a_forward_pass_gives_the_features_that_it_goes_through(layers):
    generator, image = small("resnet").double(), torch.rand(2, 3, 16, 16, dtype=torch.double)
    result, features = generator.forward_with_features(image, layers)
    torch.testing.assert_close(result, generator(image), rtol=0, atol=0)
    torch.testing.assert_close(features, generator.features(image, layers), rtol=0, atol=0)
    assert not any(layer._forward_hooks for layer in generator.modules()), "no hook stays"


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_channels_of_features_are_found_without_a_pass_of_values(norm, device):
    with torch.device(device):
        generator = ResnetGenerator(features=4, blocks=2, norm=norm)
    before = {key: tensor.clone() for key, tensor in generator.state_dict().items()}
    random = torch.get_rng_state()
    assert generator.feature_channels([0, 4, 8, 10, 17]) == [3, 8, 16, 16, 4]
    assert torch.equal(torch.get_rng_state(), random)
    if device == "cpu":
        torch.testing.assert_close(dict(generator.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize(("name", "layers"), [("resnet", [0, 99]), ("unet", [-1]), ("resnet", [])])
def test_features_of_unknown_layers_are_refused_with_those_to_choose_from(name, layers):
    with pytest.raises(ValueError, match="choose from 0 to"):
        small(name).features(torch.rand(1, 3, 32, 32), layers)
    with pytest.raises(ValueError, match="choose from 0 to"):
        small(name).forward_with_features(torch.rand(1, 3, 32, 32), layers)
    with pytest.raises(ValueError, match="SRVGGNet: it has no feature_layers"):
        generators["srvgg"](features=2).features(torch.rand(1, 3, 8, 8), layers)
