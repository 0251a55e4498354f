import math
from functools import partial

import pytest
import torch
from torch import nn

from i2i.networks.gan_layers import (
    ConditionalBatchNorm,
    MinibatchDiscrimination,
    MinibatchStandardDeviation,
    SelfAttention,
    initialise_weights,
    minibatch_layer,
    one_of,
)


def conditional(classes: int = 3, channels: int = 4) -> ConditionalBatchNorm:
    torch.manual_seed(0)
    return ConditionalBatchNorm(channels, partial(nn.Embedding, classes))


@pytest.mark.parametrize("training", [True, False])
def test_conditional_batch_norm_is_batch_norm_with_the_affine_of_each_class(training):
    norm = conditional().train(training)
    norm.norm.running_mean.normal_()
    features, label = torch.randn(6, 4, 5, 5), torch.tensor([0, 1, 2, 2, 1, 0])
    plain = nn.BatchNorm2d(4).train(training)
    plain.running_mean.copy_(norm.norm.running_mean)
    for number in range(3):
        with torch.no_grad():
            plain.weight.copy_(1 + norm.gain.weight[number])
            plain.bias.copy_(norm.bias.weight[number])
            torch.testing.assert_close(norm(features, label)[label == number], plain(features)[label == number])


def test_conditional_batch_norm_takes_vectors_too():
    torch.manual_seed(0)
    norm = ConditionalBatchNorm(4, partial(nn.Linear, 7, bias=False)).eval()
    features, vector = torch.randn(2, 4, 3, 3), torch.randn(2, 7)
    expected = features * (1 + vector @ norm.gain.weight.T)[..., None, None]
    expected += (vector @ norm.bias.weight.T)[..., None, None]
    torch.testing.assert_close(norm(features, vector), expected, rtol=1e-4, atol=1e-4)


def test_without_a_table_it_is_plain_batch_norm():
    norm, plain = ConditionalBatchNorm(4, None), nn.BatchNorm2d(4)
    features = torch.randn(3, 4, 5, 5)
    assert torch.equal(norm(features, None), plain(features))
    assert len(list(norm.parameters())) == 2


def test_attention_starts_as_the_identity_and_its_factor_learns():
    torch.manual_seed(0)
    attention, features = SelfAttention(8), torch.randn(2, 8, 4, 6)
    result = attention(features)
    assert torch.equal(result, features)
    result.square().sum().backward()
    assert attention.gamma.grad.abs() > 0


def test_attention_brings_what_is_far_away():
    torch.manual_seed(0)
    attention, features = SelfAttention(16), torch.randn(1, 16, 8, 8, requires_grad=True)
    nn.init.ones_(attention.gamma)
    (gradient,) = torch.autograd.grad(attention(features)[..., 0, 0].sum(), features)
    assert gradient[..., 6:, 6:].abs().sum() > 0


def test_where_nothing_is_alike_attention_is_the_mean_of_the_pooled_values():
    torch.manual_seed(0)
    attention, features = SelfAttention(8), torch.randn(2, 8, 4, 4)
    nn.init.ones_(attention.gamma)
    nn.init.zeros_(attention.query.weight)  # all logits are 0
    mean = nn.functional.max_pool2d(attention.value(features), 2).mean((2, 3), keepdim=True)
    torch.testing.assert_close(attention(features), features + attention.out(mean))


def test_attention_has_the_second_derivative_that_gradient_penalties_need():
    torch.manual_seed(0)
    attention = SelfAttention(8).double()
    nn.init.ones_(attention.gamma)
    features = torch.randn(1, 8, 2, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradgradcheck(attention, features)


def test_fewer_channels_than_attention_needs_are_refused():
    with pytest.raises(ValueError, match="channels = 4 is too small; allowed: 8 or more"):
        SelfAttention(4)


def test_deviation_of_a_group_has_its_closed_form():
    # Members of a group lie at equal distances in the batch: 0, 2, 4, 6 and 1, 3, 5, 7.
    features = torch.zeros(8, 3, 2, 2)
    features[[0, 4]] = 2.0  # and 0 for the other two: a deviation of 1
    features[[1, 3, 5, 7]] = 5.0
    result = MinibatchStandardDeviation()(features)
    assert torch.equal(result[:, :3], features)
    expected = torch.tensor([1.0, 1e-4] * 4)[:, None, None].expand(8, 2, 2)  # the root of epsilon where all are equal
    torch.testing.assert_close(result[:, 3], expected)


def test_deviation_is_averaged_over_features_and_places():
    features = torch.zeros(4, 2, 1, 3)
    features[:2, 0, 0, 0] = 12.0  # a deviation of 6 at one of six places
    torch.testing.assert_close(MinibatchStandardDeviation()(features)[:, 2], torch.ones(4, 1, 3), rtol=0, atol=2e-4)


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_a_batch_that_cannot_be_divided_is_one_group(number):
    torch.manual_seed(0)
    features = torch.randn(number, 3, 2, 2)
    whole = MinibatchStandardDeviation(group=number)(features)
    assert torch.equal(MinibatchStandardDeviation(group=4)(features), whole)


def test_equal_images_have_finite_gradients_of_their_deviation():
    features = torch.ones(4, 2, 2, 2, requires_grad=True)
    MinibatchStandardDeviation()(features).sum().backward()
    assert features.grad.isfinite().all()


def test_discrimination_of_points_at_known_distances_has_its_closed_form():
    layer = MinibatchDiscrimination(1, kernels=2, width=3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[1.0, 1.0, 1.0], [2.0, 0.0, 0.0]]]))
    features = torch.tensor([0.0, 1.0, 3.0]).reshape(3, 1, 1, 1)
    result = layer(features)
    assert result.shape == (3, 3, 1, 1) and torch.equal(result[:, :1], features)
    for kernel, slope in enumerate((3.0, 2.0)):  # L1 distance for a distance of 1
        expected = 1 + math.exp(-slope) + math.exp(-3 * slope)
        assert result[0, 1 + kernel].item() == pytest.approx(expected)


def test_discrimination_of_equal_images_counts_them_and_of_far_ones_finds_one():
    torch.manual_seed(0)
    layer = MinibatchDiscrimination(3 * 4)
    equal = torch.randn(1, 3, 2, 2).expand(5, 3, 2, 2)
    assert torch.equal(layer(equal)[:, 3:], torch.full((5, 100, 2, 2), 5.0))
    far = 1e4 * torch.randn(5, 3, 2, 2)
    torch.testing.assert_close(layer(far)[:, 3:], torch.ones(5, 100, 2, 2))


@pytest.mark.parametrize(("kind", "channels"), [("none", 6), ("deviation", 7), ("discrimination", 106)])
def test_minibatch_layers_say_how_many_channels_they_give(kind, channels):
    layer, said = minibatch_layer(kind, 6, 4)
    assert layer(torch.randn(4, 6, 2, 2)).shape == (4, channels, 2, 2) and said == channels


def test_an_unknown_minibatch_layer_is_refused():
    with pytest.raises(ValueError, match=r"unknown minibatch 'deviaton'; did you mean 'deviation'\?"):
        minibatch_layer("deviaton", 6, 4)


def test_orthogonal_weights_are_so_and_normal_ones_have_their_deviation():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(8, 4, 3), nn.Linear(64, 64), nn.Embedding(5, 64), nn.BatchNorm2d(4))
    initialise_weights(network, "orthogonal")
    for layer in network[:3]:
        rows = layer.weight.flatten(1)
        torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows)), rtol=0, atol=1e-5)
    initialise_weights(network, "normal")
    assert network[1].weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not network[0].bias.any() and torch.equal(network[3].weight, torch.ones(4))


def test_unknown_starting_weights_are_refused():
    with pytest.raises(ValueError, match="unknown init 'ortho'; did you mean 'orthogonal'"):
        initialise_weights(nn.Linear(2, 2), "ortho")


def test_a_wrong_number_is_refused_with_the_allowed_ones():
    one_of([0, 8, 16], attention=8)
    with pytest.raises(ValueError, match="attention = 12 is refused; choose from: 0, 8, 16"):
        one_of([0, 8, 16], attention=12)
