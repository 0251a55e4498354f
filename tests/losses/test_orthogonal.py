import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from i2i.losses.orthogonal import orthogonal_penalty


def linear(weight: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight = nn.Parameter(weight)
    return layer


def test_orthogonal_filters_of_any_length_have_none():
    torch.manual_seed(0)
    convolution = nn.Conv2d(4, 8, 3)
    nn.init.orthogonal_(convolution.weight)
    with torch.no_grad():
        convolution.weight *= torch.linspace(0.1, 2, 8)[:, None, None, None]
    assert orthogonal_penalty(convolution).item() == pytest.approx(0, abs=1e-4)


def test_two_filters_have_twice_their_squared_inner_product():
    layer = linear(torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]]))
    assert orthogonal_penalty(layer).item() == pytest.approx(2 * 4.5**2)


def test_more_filters_than_they_have_numbers_are_measured_alike():
    torch.manual_seed(0)
    weight = torch.randn(20, 3)
    products = (weight @ weight.T).fill_diagonal_(0)
    torch.testing.assert_close(orthogonal_penalty(linear(weight)), products.square().sum(), rtol=1e-5, atol=0)


def test_gradient_is_four_times_the_other_filters_weighted_by_their_products():
    torch.manual_seed(0)
    for shape in ((3, 7), (7, 3)):
        layer = linear(torch.randn(*shape))
        orthogonal_penalty(layer).backward()
        weight = layer.weight.detach()
        expected = 4 * (weight @ weight.T).fill_diagonal_(0) @ weight
        torch.testing.assert_close(layer.weight.grad, expected, rtol=1e-4, atol=1e-3)


def test_filters_of_a_transposed_convolution_are_what_makes_its_channels():
    layer = nn.ConvTranspose2d(1, 2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, 3.0]).reshape(1, 2, 1, 1))
    assert orthogonal_penalty(layer).item() == pytest.approx(2 * 6.0**2)


def test_layers_add_up_and_embeddings_and_norms_do_not_count():
    one, other = linear(torch.ones(2, 2)), linear(torch.full((2, 2), 2.0))
    network = nn.Sequential(one, nn.Embedding(5, 3), nn.BatchNorm2d(4), other)
    assert orthogonal_penalty(network).item() == pytest.approx(
        (orthogonal_penalty(one) + orthogonal_penalty(other)).item()
    )


def test_with_spectral_norm_the_trained_weight_counts_and_nothing_advances():
    plain = linear(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    expected = orthogonal_penalty(plain)
    normed = parametrizations.spectral_norm(plain).train()
    before = [buffer.clone() for buffer in normed.buffers()]
    found = orthogonal_penalty(normed)
    found.backward()
    torch.testing.assert_close(found, expected)
    assert normed.parametrizations.weight.original.grad.any()
    assert before and all(map(torch.equal, before, normed.buffers()))


def test_the_penalty_is_as_exact_under_autocast():
    torch.manual_seed(0)
    layer = nn.Linear(64, 64)
    nn.init.orthogonal_(layer.weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert orthogonal_penalty(layer).item() == pytest.approx(0, abs=1e-3)
