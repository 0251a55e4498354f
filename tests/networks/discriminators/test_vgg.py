import pytest
import torch
from torch import nn

from i2i.networks.discriminators.vgg import VGGDiscriminator
from i2i.registry import discriminators


def small(**options) -> VGGDiscriminator:
    torch.manual_seed(0)
    return discriminators["vgg"](**{"size": 32, "features": 4, **options})


@pytest.mark.parametrize(("size", "count"), [(128, 14_499_401), (256, 21_055_049)])
def test_parameter_counts_are_the_published_ones(size, count):
    with torch.device("meta"):
        judge = VGGDiscriminator(size=size)
    assert sum(weight.numel() for weight in judge.parameters()) == count


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_any_power_of_two_ends_in_one_logit(size):
    judge = small(size=size, features=1, in_channels=6)
    assert judge(torch.rand(2, 6, size, size)).shape == (2, 1)


def test_every_convolution_but_the_first_is_normalised():
    judge = small(size=128)
    convolutions = [layer for layer in judge.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.bias is not None for layer in convolutions] == [True] + [False] * (len(convolutions) - 1)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in judge.modules()) == len(convolutions) - 1


def test_it_learns_to_separate_stripes_from_noise():
    judge = small()
    real = torch.linspace(0, 20, 32).sin().expand(4, 3, 32, 32)
    fake = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(judge.parameters(), 1e-3)
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.softplus(-judge(real)).mean() + nn.functional.softplus(judge(fake)).mean()
        loss.backward()
        optimizer.step()
    assert judge(real).mean() > judge(fake).mean() + 1


def test_another_size_of_image_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="size 32 can't judge images of height 32 and width 48; resize or crop"):
        small()(torch.rand(1, 3, 32, 48))


@pytest.mark.parametrize("size", [0, 16, 100])
def test_a_size_that_is_no_power_of_two_is_refused(size):
    with pytest.raises(ValueError, match=f"size = {size} is refused; allowed: a power of two, 32 or more"):
        VGGDiscriminator(size=size)
