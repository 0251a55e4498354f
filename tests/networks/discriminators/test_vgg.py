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


def test_images_of_a_batch_depend_on_each_other_as_it_says():
    judge, images = small().train().double(), torch.rand(2, 3, 32, 32, dtype=torch.double)
    images[1] *= 0.1
    with torch.no_grad():
        together, alone = judge(images), torch.cat([judge(images[:1]), judge(images[1:])])
    assert not judge.batch_independent and not torch.allclose(together, alone, atol=1e-6)


def test_batches_judged_together_are_judged_as_one_after_another():
    generator = torch.Generator().manual_seed(1)
    images = [torch.rand(count, 3, 32, 32, generator=generator, dtype=torch.double) for count in (2, 1, 3)]
    together, after = small(features=64).double(), small(features=64).double()
    read: list[int] = []  # weights, of convolutions
    for layer in together.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda layer, *_: read.append(layer.weight.numel()))
    pairs = list(zip(together.each(*images), [after(batch) for batch in images], strict=True))
    for ours, alone in pairs:
        torch.testing.assert_close(ours, alone, rtol=1e-9, atol=1e-12)
    sum(ours.square().sum() for ours, _ in pairs).backward()
    sum(alone.square().sum() for _, alone in pairs).backward()
    for (name, weight), other in zip(together.named_parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, other.grad, rtol=1e-9, atol=1e-12, msg=name)
    for (name, statistic), other in zip(together.named_buffers(), after.buffers(), strict=True):
        torch.testing.assert_close(statistic, other, msg=name)
    assert read.count(max(read)) == 1 and read.count(min(read)) == 3  # large weights are read once


def test_it_learns_to_tell_stripes_from_noise():
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
    with pytest.raises(ValueError, match="size 32 can't judge images of height 32 and width 48; resize or crop"):
        small().each(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 48))


@pytest.mark.parametrize("size", [0, 16, 100])
def test_a_size_that_is_no_power_of_two_is_refused(size):
    with pytest.raises(ValueError, match=f"size = {size} is refused; allowed: a power of two, 32 or more"):
        VGGDiscriminator(size=size)
