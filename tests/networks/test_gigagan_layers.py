import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from i2i.networks.gigagan_layers import AdaptiveConv, L2Attention


def double(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def convolution(kernels: int = 3) -> AdaptiveConv:
    torch.manual_seed(0)
    layer = AdaptiveConv(4, 5, style=6, kernels=kernels).double()
    torch.nn.init.normal_(layer.bias)
    return layer


def attention(channels: int = 128) -> L2Attention:
    torch.manual_seed(0)
    return L2Attention(channels).double()


def written_out(layer: AdaptiveConv, image: Tensor, w: Tensor) -> Tensor:
    """Equations 2 and 3 for one image (C, H, W) and its style (style,)."""
    weights = torch.softmax(layer.selection.weight @ w * layer.selection.scale + layer.selection.bias, dim=0)
    modulation = layer.affine.weight @ w * layer.affine.scale + layer.affine.bias
    bank = layer.bank.view(-1, 5, 4, 3, 3)
    filters = []
    for number in range(5):
        kernel = sum(share * each[number] for share, each in zip(weights, bank, strict=True))
        kernel = kernel * modulation[:, None, None]
        filters.append(kernel / kernel.norm())
    return F.conv2d(image[None], torch.stack(filters), layer.bias, padding=1)[0]


@pytest.mark.parametrize("kernels", [1, 3])
def test_an_adaptive_convolution_is_that_of_each_image_with_its_own_kernel(kernels):
    layer, images, w = convolution(kernels), double(3, 4, 5, 7), double(3, 6, seed=1)
    expected = torch.stack([written_out(layer, *each) for each in zip(images, w, strict=True)])
    torch.testing.assert_close(layer(images, w), expected, rtol=1e-6, atol=1e-6)  # the least norm is not 0


def test_kernels_of_a_bank_that_stay_constant_give_the_same():
    layer, images, w = convolution(), double(3, 4, 5, 7), double(3, 6, seed=1)
    torch.testing.assert_close(layer._with_constant_kernels(images, w), layer(images, w))


def test_styles_choose_among_the_kernels():
    layer = convolution()
    one, other = layer.kernels(double(2, 6))
    assert (one - other).abs().max() > 0.1
    torch.testing.assert_close(one.square().sum((1, 2, 3)), torch.ones(5, dtype=torch.double), rtol=1e-5, atol=0)


def attended(layer: L2Attention, features: Tensor) -> Tensor:
    """The attention of one image (C, H, W), pixel by pixel."""
    channels, height, width = features.shape
    pixels = features.flatten(1).T
    point, value = (
        pixels @ projection.weight[..., 0, 0].T / math.sqrt(channels) for projection in (layer.point, layer.value)
    )
    size = channels // layer.heads
    result = torch.empty_like(pixels)
    for head in range(layer.heads):
        part = slice(head * size, (head + 1) * size)
        for number, query in enumerate(point[:, part]):
            distances = torch.stack([(query - key).square().sum() for key in point[:, part]])
            result[number, part] = torch.softmax(-distances / math.sqrt(size), dim=0) @ value[:, part]
    out = result @ layer.out.weight[..., 0, 0].T / math.sqrt(channels) + layer.out.bias
    return features + layer.gain * out.T.reshape(channels, height, width)


@pytest.mark.parametrize("channels", [128, 6])
def test_attention_is_a_softmax_of_negative_squared_distances(channels):
    layer, images = attention(channels), double(2, channels, 3, 4)
    expected = torch.stack([attended(layer, image) for image in images])
    torch.testing.assert_close(layer(images), expected)
    # Without gradients in memory that grows with the pixels, not with their pairs, or not at all.
    with torch.no_grad(), sdpa_kernel([SDPBackend.FLASH_ATTENTION]):
        torch.testing.assert_close(layer(images), expected)


def test_attention_moves_with_its_pixels_and_images():
    layer, images = attention(), double(3, 128, 4, 4)
    torch.testing.assert_close(layer(images.flip(0)), layer(images).flip(0))
    torch.testing.assert_close(layer(images.flip(3)), layer(images).flip(3))


def test_attention_that_is_scaled_up_attends_to_the_pixel_itself():
    # Dot products would attend to the largest key: nothing bounds the slope of those.
    layer, image = attention(), 100 * double(1, 128, 3, 3)
    torch.testing.assert_close(layer(image), image + layer.gain * layer.out(layer.value(image)))


def test_the_gradient_of_attention_has_a_gradient():
    layer, image = attention(), double(1, 128, 2, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(layer(image).sum(), image, create_graph=True)
    gradient.square().sum().backward()
    assert layer.point.weight.grad is not None and layer.point.weight.grad.abs().max() > 0
