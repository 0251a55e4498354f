"""Gradients of layers in float64, whatever the memory layout of their input and of the gradient that reaches them."""

from collections.abc import Callable, Iterator
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.layers import InstanceNorm2d, normalisation
from i2i.networks.modulated import AdaINLayer


def channels_last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)


def permuted(maps: Tensor) -> Tensor:
    return maps.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)


def every_second_column(maps: Tensor) -> Tensor:
    return torch.stack([maps, maps], dim=-1)[..., 0]


def patches(maps: Tensor) -> Tensor:
    """As the gradient of features that were permuted and flattened, as CUT samples them."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2).contiguous().unflatten(1, maps.shape[2:]).permute(0, 3, 1, 2)


LAYOUTS = (torch.Tensor.contiguous, channels_last, permuted, every_second_column, patches)
batches = pytest.mark.parametrize("batch", [1, 2])


def example(batch: int, mean: float = 0.0) -> Tensor:
    random = torch.Generator().manual_seed(batch)
    return mean + torch.randn(batch, 4, 6, 8, dtype=torch.float64, generator=random)


def gradients(layer: Callable[[Tensor], Tensor], features: Tensor, gradient: Tensor) -> Iterator[Tensor]:
    """Of `features`, with these and the `gradient` of the result in every pair of layouts."""
    for lay_input, lay_gradient in product(LAYOUTS, LAYOUTS):
        given = lay_input(features).detach().requires_grad_()
        yield torch.autograd.grad(layer(given), given, lay_gradient(gradient))[0]


def instance_norm_gradient(features: Tensor, gradient: Tensor, eps: float = 1e-5) -> Tensor:
    """In closed form: (g - mean(g) - y mean(g y)) / deviation."""

    def mean(values: Tensor) -> Tensor:
        return values.mean((2, 3), keepdim=True)

    centred = features - mean(features)
    scale = (mean(centred.square()) + eps).rsqrt()
    normed = centred * scale
    return scale * (gradient - mean(gradient) - normed * mean(gradient * normed))


@batches
@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_instance_norm_has_its_gradient_in_every_layout(batch, mean):
    features, gradient = example(batch, mean), example(batch).flip(1)
    expected = instance_norm_gradient(features, gradient)
    for found in gradients(normalisation("instance", 4), features, gradient):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@batches
def test_instance_norm_has_a_second_derivative(batch):
    features = channels_last(example(batch)).requires_grad_()
    assert torch.autograd.gradgradcheck(InstanceNorm2d(4), features)


def test_instance_norm_can_be_mapped_over_images_and_worked_on_in_place():
    network, images = nn.Sequential(InstanceNorm2d(4), nn.ReLU(inplace=True)), example(2).requires_grad_()
    mapped = torch.func.vmap(lambda image: network(image[None])[0])(images)
    (found,) = torch.autograd.grad(mapped, images, channels_last(example(2).flip(1)))
    expected = instance_norm_gradient(images.detach(), example(2).flip(1) * (mapped > 0))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@batches
def test_adaptive_instance_norm_has_its_gradient_in_every_layout(batch):
    layer, w, features = (
        AdaINLayer(4, 4, 6, style=3, upsampling=False).double().eval(),
        torch.ones(batch, 3),
        example(batch),
    )
    contiguous, *others = gradients(lambda maps: layer(maps, w.double()), features[..., :6], features[..., 2:])
    assert torch.autograd.gradcheck(lambda maps: layer(maps, w.double()), features[..., :6].detach().requires_grad_())
    for other in others:
        torch.testing.assert_close(other, contiguous, rtol=0, atol=1e-12)


LAYERS: dict[str, Callable[[Tensor], Tensor]] = {
    "convolution": nn.Conv2d(4, 6, 3, padding=1),
    "strided convolution": nn.Conv2d(4, 6, 4, stride=2, padding=1),
    "1x1 convolution": nn.Conv2d(4, 6, 1),
    "grouped convolution": nn.Conv2d(4, 4, 3, groups=4),
    "transposed convolution": nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1),
    "odd transposed convolution": nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1),
    "batch norm": nn.BatchNorm2d(4),
    "batch norm in eval mode": nn.BatchNorm2d(4).eval(),
    "group norm": nn.GroupNorm(2, 4),
    "reflection": nn.ReflectionPad2d(2),
    "replication": nn.ReplicationPad2d(1),
    "pixel shuffle": nn.PixelShuffle(2),
    "pixel unshuffle": nn.PixelUnshuffle(2),
    "nearest neighbour": nn.Upsample(scale_factor=2),
    "bilinear": lambda maps: F.interpolate(maps, size=(9, 5), mode="bilinear", align_corners=False),
    "bicubic": lambda maps: F.interpolate(maps, size=(3, 4), mode="bicubic", antialias=True),
    "average pooling": nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    "max pooling": nn.MaxPool2d(2),
    "leaky ReLU": nn.LeakyReLU(0.2),
    "PReLU": nn.PReLU(4),
    "tanh": nn.Tanh(),
    "unit length": lambda maps: F.normalize(maps, dim=1),
}


@batches
@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_their_gradient_in_every_layout(name, batch):
    layer = LAYERS[name].double() if isinstance(LAYERS[name], nn.Module) else LAYERS[name]
    features = example(batch)
    step = 1e-6 * example(batch).flip(1)
    gradient = torch.cos(layer(features).detach() * 9)
    difference = layer(features + step) - layer(features - step)
    expected = (difference * gradient).sum() / 2
    for found in gradients(layer, features, gradient):
        torch.testing.assert_close((found * step).sum(), expected, rtol=1e-6, atol=1e-14)
