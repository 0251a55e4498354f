import pytest
import torch
from torch import nn

from i2i.networks.generators.biggan_deep import BigGANDeepGenerator


def small(**options) -> BigGANDeepGenerator:
    torch.manual_seed(0)
    return BigGANDeepGenerator(**{"size": 64, "features": 4, "latent": 6, "classes": 3, "attention": 0, **options})


@pytest.mark.parametrize(("size", "millions"), [(128, 50.4), (256, 55.9), (512, 56.2)])
def test_parameter_counts_are_those_of_the_published_files(size, millions):
    # pytorch-pretrained-biggan's README; there the last convolution has channels to spare
    with torch.device("meta"):
        generator = BigGANDeepGenerator(size=size, classes=1000, spectral_norm=False, init="normal")
    spare = (128 - 3) * (9 * 128 + 1)
    count = sum(weight.numel() for weight in generator.parameters()) + spare
    assert round(count / 1e6, 1) == millions


@pytest.mark.parametrize("classes", [0, 3])
def test_every_parameter_learns(classes):
    generator = small(classes=classes, attention=16)
    nn.init.ones_(generator.blocks[3].attention.gamma)
    label = torch.tensor([0, 1, 2, 1]) if classes else None
    generator(torch.randn(4, 6), label).square().sum().backward()
    still = {name for name, weight in generator.named_parameters() if weight.grad is None or not weight.grad.any()}
    # A norm takes away what is the same everywhere: the constant in front of it.
    assert still <= {f"blocks.{block}.convolutions.{number}.bias" for block in range(8) for number in range(3)}


def test_images_of_a_class_in_range_depend_on_the_latent_and_the_class_alone():
    generator = small().eval()
    z = torch.randn(2, 6)[[0, 0, 1, 0]]
    first, other_class, other_latent, again = generator(z, torch.tensor([0, 1, 0, 0]))
    assert first.shape == (3, 64, 64) and first.abs().max() <= 1
    assert (first - other_class).abs().max() > 1e-3 and (first - other_latent).abs().max() > 1e-3
    torch.testing.assert_close(first, again)
