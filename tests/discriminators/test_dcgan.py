import pytest
import torch
from torch import nn

from i2i.discriminators.dcgan import DCGANDiscriminator


@pytest.mark.parametrize("size", [32, 64, 256])
def test_any_power_of_two_ends_in_one_logit(size):
    judge = DCGANDiscriminator(size=size, features=2)
    assert judge(torch.rand(2, 3, size, size)).shape == (2, 1, 1, 1)


def test_the_64_pixel_network_is_the_paper_s():
    judge = DCGANDiscriminator(size=64)
    convolutions = [layer for layer in judge.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 512, 1]
    assert all(layer.kernel_size == (4, 4) for layer in convolutions)
    # No norm at the input layer (section 3), none at the logit.
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in judge.modules()) == 3


def test_another_size_of_image_is_refused_with_a_sentence():
    judge = DCGANDiscriminator(size=64, features=2)
    with pytest.raises(ValueError, match="size 64 can't judge images of height 64 and width 96; resize or crop"):
        judge(torch.rand(1, 3, 64, 96))


@pytest.mark.parametrize("size", [0, 16, 48, 100])
def test_a_size_that_is_no_power_of_two_is_refused(size):
    with pytest.raises(ValueError, match=f"size = {size} is refused; legal: a power of two, 32 or more"):
        DCGANDiscriminator(size=size)
