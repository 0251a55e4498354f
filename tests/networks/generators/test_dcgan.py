"""The DCGAN generator, and what every generator of images from noise promises."""

import pytest
import torch
from torch import Tensor, nn

from i2i.networks.generators.base import LatentGenerator
from i2i.networks.generators.biggan import BigGANGenerator
from i2i.networks.generators.dcgan import DCGANGenerator
from i2i.networks.generators.stylegan2 import StyleGAN2Generator
from i2i.networks.layers import Upsampling


def latents(generator: LatentGenerator, number: int) -> Tensor:
    return torch.randn(number, generator.latent, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("size", [32, 64, 128])
def test_images_are_of_the_size_and_range_that_it_promises(size: int, upsampling: Upsampling) -> None:
    generator = DCGANGenerator(size=size, out_channels=1, features=2, latent=5, upsampling=upsampling).eval()
    image = generator(latents(generator, 2))
    assert image.shape == (2, 1, size, size) and image.abs().max() <= 1


def test_every_hidden_layer_is_convolution_norm_and_relu_and_the_last_ends_in_tanh() -> None:
    generator = DCGANGenerator(size=64, features=2)
    kinds = [type(layer) for layer in generator.modules() if not list(layer.children())]
    assert kinds == [nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU] * 4 + [nn.ConvTranspose2d, nn.Tanh]


def test_a_label_changes_the_image_and_its_embedding_learns() -> None:
    generator = DCGANGenerator(size=32, features=2, latent=4, classes=3)
    z = latents(generator, 1).expand(2, -1)
    images = generator.eval()(z, torch.tensor([0, 2]))
    assert not torch.equal(images[0], images[1])
    generator.train()(latents(generator, 4), torch.tensor([0, 1, 1, 0])).square().sum().backward()
    gradient = generator.embedding.weight.grad.abs().sum(1)
    assert gradient[0] > 0 and gradient[1] > 0 and gradient[2] == 0


@pytest.mark.parametrize("size", [48, 16, 0])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"size = {size} is refused; allowed: a power of two, 32 or more"):
        DCGANGenerator(size=size)


@pytest.mark.parametrize(
    "generator",
    [
        DCGANGenerator(size=32, features=2, classes=2),
        BigGANGenerator(size=32, features=2, classes=2),
        StyleGAN2Generator(size=32, features=4, classes=2, latent=4, style=4, mapping_layers=1),
    ],
    ids=lambda generator: type(generator).__name__,
)
def test_a_batch_of_two_is_two_batches_of_one(generator: LatentGenerator) -> None:
    generator.eval()
    z, label = latents(generator, 2), torch.tensor([1, 0])
    with torch.no_grad():
        both = generator(z, label)
        alone = torch.cat([generator(z[at : at + 1], label[at : at + 1]) for at in (0, 1)])
        in_parts = generator.synthesise(generator.map(z, label), label)
    torch.testing.assert_close(both, alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(both, in_parts)
    low, high = generator.value_range
    assert both.shape == (2, generator.out_channels, generator.size, generator.size) and (low, high) == (-1, 1)
