import math

import pytest
import torch
from torch import nn

from i2i.networks.generators.rrdb import DenseBlock, ResidualInResidualBlock, RRDBNet, UpsamplingConvolution
from i2i.registry import generators

# (scale, unshuffle) -> what height and width must be multiples of
VARIANTS = {
    (1, True): 4, (2, True): 2, (3, True): 1, (4, True): 1, (8, True): 1,
    (1, False): 1, (2, False): 1, (3, False): 1, (4, False): 1, (8, False): 1,
}  # fmt: skip


def small(**options) -> RRDBNet:
    torch.manual_seed(0)
    return generators["rrdb"](**{"features": 4, "growth": 2, "blocks": 1, **options})


@pytest.mark.parametrize(
    ("options", "count", "keys"),
    [
        ({}, 16_697_987, 702),
        ({"blocks": 6}, 4_467_779, 192),
        ({"scale": 2}, 16_703_171, 702),
        ({"scale": 1}, 16_723_907, 702),
    ],
)
def test_parameter_counts_are_the_published_ones(options, count, keys):
    with torch.device("meta"):
        generator = RRDBNet(**options)
    assert sum(weight.numel() for weight in generator.parameters()) == count
    assert len(generator.state_dict()) == keys


@pytest.mark.parametrize(("scale", "unshuffle"), VARIANTS)
def test_every_scale_enlarges_the_smallest_size_and_has_gradients(scale, unshuffle):
    generator = small(scale=scale, unshuffle=unshuffle, in_channels=4, out_channels=2)
    step = VARIANTS[scale, unshuffle]
    assert generator.scale == scale and generator.multiple_of == generator.min_size == step
    generator.check_size(step, 3 * step)
    result = generator(torch.rand(2, 4, step, 3 * step))
    assert result.shape == (2, 2, scale * step, scale * 3 * step)
    result.square().mean().backward()
    assert all(weight.grad is not None for weight in generator.parameters())


@pytest.mark.parametrize(("scale", "fewer"), [(1, 4), (2, 2)])
def test_unshuffled_blocks_work_on_smaller_images(scale, fewer):
    seen = []
    generator = small(scale=scale)
    generator.blocks.register_forward_hook(lambda _, __, output: seen.append(output.shape[2:]))
    generator(torch.rand(1, 3, 8, 12))
    assert seen == [(8 // fewer, 12 // fewer)]
    with pytest.raises(ValueError, match=f"height 8 and width 11; both must be multiples of {fewer}"):
        generator.check_size(8, 11)


def test_three_times_is_one_up_sampling_and_four_times_two():
    assert small(scale=3).state_dict().keys() == small(scale=2, unshuffle=False).state_dict().keys()
    assert len(small(scale=4).up) == len(small(scale=2).up) == len(small(scale=1).up) == 2


@pytest.mark.parametrize("factor", [2, 3])
def test_layer_in_training_is_up_sampling_and_convolution(factor):
    torch.manual_seed(0)
    layer, image = UpsamplingConvolution(4, factor).double(), torch.randn(2, 4, 5, 6, dtype=torch.double)
    slope = torch.randn(2, 4, 5 * factor, 6 * factor, dtype=torch.double)
    found = []
    for training in (True, False):
        layer.train(training).zero_grad()
        seen = image.clone().requires_grad_()
        enlarged = layer(seen)
        (enlarged * slope).sum().backward()
        found.append([enlarged, seen.grad, *(weight.grad.clone() for weight in layer.parameters())])
    for trained, plain in zip(*found, strict=True):
        torch.testing.assert_close(trained, plain, rtol=1e-10, atol=1e-12)


def test_residuals_are_scaled_by_a_fifth():
    block, image = ResidualInResidualBlock(4, 2), torch.rand(1, 4, 5, 5)
    for dense in block.residual:
        assert isinstance(dense, DenseBlock)
        for convolution in dense.convolutions:
            nn.init.zeros_(convolution.weight)
        nn.init.ones_(dense.convolutions[-1].bias)
    torch.testing.assert_close(block.residual[0](image), image + 0.2)
    # Three times 0.2 is added inside, and a fifth of the result to the input.
    torch.testing.assert_close(block(image), image + 0.2 * (image + 0.6))


def test_dense_blocks_start_at_a_tenth_of_kaiming_and_the_rest_as_pytorch_does():
    torch.manual_seed(0)
    generator = RRDBNet(blocks=1)
    for convolution in generator.blocks[0].residual[0].convolutions:
        assert isinstance(convolution, nn.Conv2d)
        std = 0.1 * math.sqrt(2 / (9 * convolution.in_channels))
        assert convolution.weight.std().item() == pytest.approx(std, rel=0.02)
        assert not convolution.bias.any()
    assert generator.stem.bias.all() and generator.trunk.bias.all()
    assert generator.trunk.weight.abs().max() <= 1 / math.sqrt(9 * 64)


def test_a_batch_of_two_is_two_batches_of_one():
    generator, images = small().train().double(), torch.rand(2, 3, 6, 5, dtype=torch.double)
    assert generator.batch_independent
    torch.testing.assert_close(generator(images), torch.cat([generator(images[:1]), generator(images[1:])]))


@pytest.mark.parametrize("scale", [0, 5, 16])
def test_another_scale_is_refused(scale):
    with pytest.raises(ValueError, match=f"scale = {scale} is refused; choose from: 1, 2, 3, 4, 8"):
        RRDBNet(scale=scale)


def test_no_blocks_are_refused():
    with pytest.raises(ValueError, match="blocks = 0 is too small; allowed: 1 or more"):
        RRDBNet(blocks=0)
