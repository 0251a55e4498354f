import pytest
import torch
from torch.nn import functional as F

from i2i.networks.generators.gigagan import GigaGANUpsampler


def small(**options) -> GigaGANUpsampler:
    torch.manual_seed(0)
    sizes = {"features": 8, "most_features": 16, "depth": 2, "style": 8, "mapping_layers": 2}
    return GigaGANUpsampler(**(sizes | options))


def as_trained(**options) -> GigaGANUpsampler:
    """With images at every size, which are black before training."""
    generator = small(**options).double()
    for layer in generator.to_rgb:
        torch.nn.init.normal_(layer.convolution.weight)
    return generator


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("attention", [0, 2])
def test_every_scale_magnifies_any_multiple_and_trains_every_weight(scale, attention):
    generator = as_trained(scale=scale, attention=attention, in_channels=1, out_channels=1).float()
    result = generator(torch.rand(2, 1, 4, 12))
    assert result.shape == (2, 1, scale * 4, scale * 12)
    result.square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in generator.parameters())


def test_images_of_a_batch_are_independent():
    generator, images = as_trained(), torch.rand(3, 3, 8, 4, dtype=torch.double)
    together = generator(images)
    torch.testing.assert_close(generator(images.flip(0)), together.flip(0))
    torch.testing.assert_close(torch.cat([generator(image[None]) for image in images]), together)


def test_training_starts_from_the_enlarged_image():
    image = torch.rand(1, 3, 8, 8)
    expected = F.interpolate(F.interpolate(image, scale_factor=2, mode="bilinear"), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(small()(image), expected)


@pytest.mark.parametrize("attention", [0, 1])
def test_every_pixel_depends_on_the_whole_image(attention):
    # By the style, also where attention is left out.
    generator = as_trained(attention=attention, scale=2)
    image = torch.rand(1, 3, 64, 64, dtype=torch.double, requires_grad=True)
    generator(image)[..., 0, 0].sum().backward()
    assert generator.overlap == 0 and image.grad[..., -1, -1].abs().max() > 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scale": 3}, "scale = 3 is refused; choose from: 2, 4, 8"),
        ({"out_channels": 1}, "out_channels = 1 is refused; allowed: in_channels = 3"),
        ({"attention": 3}, "attention = 3 is refused; allowed: from 0 to depth = 2"),
        ({"kernels": 0}, "kernels = 0 is too small; allowed: 1 or more"),
    ],
)
def test_options_that_make_no_network_are_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        small(**options)
