import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from i2i.networks.discriminators.unet import UnetDiscriminator
from i2i.registry import discriminators


def small(**options) -> UnetDiscriminator:
    torch.manual_seed(0)
    return discriminators["unet"](**{"features": 4, **options})


def test_parameter_count_is_the_published_one():
    assert sum(weight.numel() for weight in UnetDiscriminator().parameters()) == 4_376_897


@pytest.mark.parametrize("size", [(8, 8), (16, 24), (9, 31)])
def test_every_pixel_gets_a_logit(size):
    judge = small(in_channels=6)
    judge.check_size(*size)
    assert judge(torch.rand(2, 6, *size)).shape == (2, 1, *size)


def test_images_below_eight_pixels_are_refused():
    with pytest.raises(ValueError, match="height 8 and width 7; both must be at least 8"):
        small().check_size(8, 7)


def test_a_logit_sees_its_own_pixel_and_far_around_it():
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(small().eval()(image)[0, 0, 32, 32], image)
    strength = gradient.abs().sum(dim=(0, 1))
    assert strength[32, 32] > 10 * strength[:8].max(), "the skips lead straight to it"
    assert strength[32, 8:24].any(), "the bottom sees what lies around"


def test_the_scale_of_a_weight_with_spectral_norm_is_irrelevant():
    judge, image = small().eval(), torch.rand(1, 3, 16, 16)
    normed = [layer for layer in judge.modules() if parametrize.is_parametrized(layer)]
    before = judge(image)
    with torch.no_grad():
        for layer in normed:
            layer.parametrizations.weight.original.mul_(10)
    assert len(normed) == 8
    torch.testing.assert_close(judge(image), before)
    assert not parametrize.is_parametrized(judge.head) and not parametrize.is_parametrized(judge.stem[0])


def test_calls_in_training_advance_the_power_iteration():
    judge, image = small().train(), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        judge.down[0][0].parametrizations.weight.original.normal_()  # away from what the iteration has settled on
        first, second = judge(image), judge(image)
    assert not torch.equal(first, second)


def test_it_learns_to_separate_stripes_from_noise():
    judge = small()
    real = torch.linspace(0, 10, 16).sin().expand(4, 3, 16, 16)
    fake = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(judge.parameters(), 1e-2)
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.softplus(-judge(real)).mean() + nn.functional.softplus(judge(fake)).mean()
        loss.backward()
        optimizer.step()
    assert judge(real).mean() > judge(fake).mean() + 0.5
