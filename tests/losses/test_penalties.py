import pytest
import torch
from torch import Tensor

from i2i.losses.penalties import path_lengths, r1_penalty


def test_r1_of_a_quadratic_is_known():
    """D(x) = a |x|^2 / 2 has the gradient a x, so R1 is a^2 times the mean squared norm."""
    real = torch.randn(4, 3, 5, 5)
    found = r1_penalty(lambda image: 1.5 * image.square().flatten(1).sum(1, keepdim=True), real)
    torch.testing.assert_close(found, 9 * real.square().sum((1, 2, 3)).mean())


def test_r1_of_a_linear_judge_is_the_squared_norm_of_its_weight_and_has_its_gradient():
    weight = torch.randn(3 * 5 * 5, requires_grad=True)
    found = r1_penalty(lambda image: image.flatten(1) @ weight, torch.randn(4, 3, 5, 5))
    torch.testing.assert_close(found, weight.square().sum())
    found.backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_r1_of_a_map_of_logits_is_that_of_its_mean():
    real = torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(r1_penalty(lambda image: 3 * image, real), torch.tensor(9 / 16))


def test_r1_leaves_the_images_alone_and_is_at_least_float32():
    real = torch.randn(2, 1, 4, 4, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert r1_penalty(lambda image: image.square().sum((1, 2, 3)), real).dtype == torch.float32
    assert not real.requires_grad and real.grad is None


def linear(factor: Tensor, w: Tensor) -> Tensor:
    """Images (N, 1, 4, 4) of w (N, 8) by one matrix (8, 16)."""
    return (w @ factor).reshape(-1, 1, 4, 4)


def test_path_lengths_of_a_linear_map_are_those_of_the_transposed_map():
    factor, w, noise = torch.randn(8, 16), torch.randn(5, 8, requires_grad=True), torch.randn(5, 1, 4, 4)
    found = path_lengths(linear(factor, w), w, noise)
    torch.testing.assert_close(found, (noise.flatten(1) @ factor.T).norm(dim=1))


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_path_lengths_of_an_orthogonal_map_are_its_scale(scale):
    orthogonal, _ = torch.linalg.qr(torch.randn(16, 16))
    w = torch.randn(2000, 16, requires_grad=True)
    noise = torch.randn(2000, 1, 4, 4) / 4  # the variance is 1 / (H W)
    lengths = path_lengths(linear(scale * orthogonal, w), w, noise)
    torch.testing.assert_close(lengths, scale * noise.flatten(1).norm(dim=1))
    assert lengths.square().mean().item() == pytest.approx(scale**2, rel=0.05)


def test_path_lengths_take_the_mean_over_layers_and_can_be_learned_from():
    factors = torch.randn(3, 8, 16, requires_grad=True)
    w, noise = torch.randn(5, 3, 8, requires_grad=True), torch.randn(5, 1, 4, 4)
    image = torch.einsum("nls,lsp->np", w, factors).reshape(5, 1, 4, 4)
    lengths = path_lengths(image, w, noise)
    of_layers = torch.stack([noise.flatten(1) @ factor.T for factor in factors])
    torch.testing.assert_close(lengths, of_layers.square().sum(2).mean(0).sqrt())
    lengths.sum().backward()
    assert factors.grad is not None and factors.grad.any()
