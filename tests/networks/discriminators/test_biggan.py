import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from i2i.losses.penalties import r1_penalty
from i2i.networks.discriminators.biggan import BigGANDiscriminator


def small(**options) -> BigGANDiscriminator:
    torch.manual_seed(0)
    return BigGANDiscriminator(**{"features": 2, **options})


@pytest.mark.parametrize(("features", "count"), [(96, 87_982_370), (64, 39_448_258)])
def test_parameter_counts_are_the_published_ones(features, count):
    with torch.device("meta"):
        judge = BigGANDiscriminator(
            size=128, classes=1000, features=features, attention=64, spectral_norm=False, init="normal"
        )
    assert sum(weight.numel() for weight in judge.parameters()) == count


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512])
def test_every_published_size_ends_in_one_logit(size):
    judge = small(size=size, features=1, in_channels=6)
    assert judge(torch.rand(2, 6, size, size)).shape == (2, 1)


def test_the_class_adds_the_product_of_its_vector_with_the_sums():
    judge = small(classes=3, spectral_norm=False).eval()
    image, label = torch.rand(3, 3, 32, 32), torch.tensor([2, 0, 1])
    sums = judge.blocks(image).relu().sum((2, 3))
    expected = sums @ judge.head.weight[0] + judge.head.bias + (sums * judge.embedding.weight[label]).sum(1)
    torch.testing.assert_close(judge(image, label)[:, 0], expected)


def test_a_class_of_no_vector_is_judged_as_without_classes():
    judge, plain = small(classes=3, spectral_norm=False), small(spectral_norm=False)
    plain.load_state_dict({key: value for key, value in judge.state_dict().items() if "embedding" not in key})
    nn.init.zeros_(judge.embedding.weight)
    image = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(judge(image, torch.tensor([0, 2])), plain(image))


@pytest.mark.parametrize("minibatch", ["none", "deviation", "discrimination"])
def test_every_parameter_learns(minibatch):
    judge = small(classes=3, minibatch=minibatch, attention=16, features=4)
    nn.init.ones_(judge.blocks[1].gamma)
    judge(torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 1])).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in judge.parameters())


def test_spectral_norm_is_on_every_layer_and_on_the_embedding():
    judge = small(classes=3, attention=8)
    layers = [each for each in judge.modules() if isinstance(each, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert all(map(parametrize.is_parametrized, layers))
    judge.eval()
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1, rel=0.1), "as well as the power iteration knows it"


def test_gradient_penalties_go_through_attention():
    judge = small(attention=8, classes=2)
    nn.init.ones_(judge.blocks[2].gamma)
    label = torch.tensor([0, 1])
    r1_penalty(lambda image: judge(image, label), torch.randn(2, 3, 32, 32)).backward()
    assert judge.blocks[2].query.parametrizations.weight.original.grad.any()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 48}, "size = 48 is refused; allowed: a power of two, 32 or more"),
        ({"size": 1024}, "size = 1024 is refused; choose from: 32, 64, 128, 256, 512"),
        ({"attention": 4}, "attention = 4 is refused; choose from: 0, 8, 16"),
        ({"minibatch": "std"}, "unknown minibatch 'std'; choose from: deviation, discrimination, none"),
    ],
)
def test_what_cannot_be_built_is_refused_with_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        small(**options)


def test_another_size_of_image_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="size 32 can't judge images of height 64 and width 64; resize or crop"):
        small()(torch.rand(1, 3, 64, 64))
