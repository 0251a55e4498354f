import math

import pytest
import torch

from i2i.losses.penalties import r1_penalty
from i2i.networks.discriminators.stylegan2 import DownsamplingBlock, StyleGAN2Discriminator
from i2i.registry import discriminators


def small(**options) -> StyleGAN2Discriminator:
    torch.manual_seed(0)
    return discriminators["stylegan2"](**{"size": 32, "features": 8, "mapping_layers": 2, **options})


@pytest.mark.parametrize(("size", "base", "count"), [(256, 16384, 24_001_089), (1024, 32768, 29_012_513)])
def test_parameter_counts_are_the_published_ones(size, base, count):
    with torch.device("meta"):
        judge = StyleGAN2Discriminator(size=size, base=base)
    assert sum(weight.numel() for weight in judge.parameters()) == count


@pytest.mark.parametrize(("classes", "channels", "size"), [(0, 1, 32), (3, 4, 64)])
def test_images_get_one_logit_and_all_weights_a_gradient(classes, channels, size):
    judge = small(size=size, classes=classes, in_channels=channels)
    label = torch.tensor([0, 2, 2]) if classes else None
    logits = judge(torch.randn(3, channels, size, size), label)
    assert logits.shape == (3, 1)
    logits.square().sum().backward()
    assert all(weight.grad is not None for weight in judge.parameters())


def test_a_label_is_projected_on():
    judge, image, label = small(classes=3), torch.randn(2, 3, 32, 32), torch.tensor([1, 2])
    features = judge.head(judge.blocks(judge.stem(image)))
    points = judge.mapping(None, label)
    expected = torch.stack([one @ other / math.sqrt(8) for one, other in zip(features, points, strict=True)])
    torch.testing.assert_close(judge(image, label)[:, 0], expected)


def test_a_block_keeps_the_mean_square_of_flat_features():
    torch.manual_seed(0)
    block, features = DownsamplingBlock(128, 128), torch.randn(64, 128, 1, 1).expand(-1, -1, 16, 16)
    result = block(features)
    assert result.shape == (64, 128, 8, 8)
    assert result[..., 2:-2, 2:-2].square().mean().item() == pytest.approx(1, rel=0.15)


def test_the_last_layers_see_how_much_a_batch_differs():
    judge, image = small(), torch.randn(1, 3, 32, 32)
    single, among_others = judge(image), judge(torch.cat([image, torch.randn(3, 3, 32, 32)]))[:1]
    assert not torch.allclose(single, among_others)
    torch.testing.assert_close(judge(image.expand(4, -1, -1, -1))[:1], single, atol=1e-4, rtol=1e-4)


def test_r1_has_a_gradient_for_every_weight_and_a_zero_for_the_last_bias():
    judge = small()
    r1_penalty(judge, torch.randn(4, 3, 32, 32)).backward()
    gradients = {name: parameter.grad for name, parameter in judge.named_parameters()}
    assert all(gradient.any() for name, gradient in gradients.items() if name.endswith("weight"))
    assert gradients["head.6.bias"] == 0  # which is added to the logit


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="size = 48 is refused; allowed: a power of two, 32 or more"):
        small(size=48)
    with pytest.raises(ValueError, match="of size 32 can't judge images of height 64 and width 64"):
        small()(torch.zeros(1, 3, 64, 64))
