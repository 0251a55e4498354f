"""Convolutions with frozen weights give what any convolution gives, and so do their gradients."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i import packed
from i2i.losses import frozen
from i2i.losses.frozen import frozen_convolution


def tensors(**options) -> tuple[Tensor, Tensor, Tensor]:
    """Few pixels, many weights: (1, 16, 4, 5), (24, 16, 3, 3), (24,)."""
    generator = torch.Generator().manual_seed(0)
    shapes = (1, 16, 4, 5), (24, 16, 3, 3), (24,)
    return tuple(0.2 * torch.randn(shape, generator=generator).to(**options) for shape in shapes)


def value_and_gradient(convolve, image: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor]:
    image = image.clone().requires_grad_()
    found = convolve(image, *parameters)
    return found, torch.autograd.grad(found.sin().sum(), image)[0]


def plainly(image: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(image, weight, bias, padding=1)


@pytest.fixture
def packing(monkeypatch):
    """Counts how often weights are laid out."""
    if not packed.can_pack():
        pytest.skip("this build of PyTorch has no oneDNN, or another one")
    calls, pack = [], frozen.pack
    monkeypatch.setattr(frozen, "pack", lambda *arguments: calls.append(1) or pack(*arguments))
    return calls


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_same_image_and_gradient_come_out_for_any_batch_and_size(packing, layout):
    image, weight, bias = tensors()
    generator = torch.Generator().manual_seed(1)
    for size in ((1, 16, 4, 5), (2, 16, 4, 5), (1, 16, 9, 3)):
        image = torch.randn(size, generator=generator).to(memory_format=layout)
        ours, theirs = (value_and_gradient(each, image, weight, bias) for each in (frozen_convolution, plainly))
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert len(packing) == 2  # once for each direction, for all sizes


def test_other_weights_are_not_taken_for_the_same(packing):
    image, weight, bias = tensors()
    frozen_convolution(image, weight, bias)
    for other in (2 * weight, copy.deepcopy(weight).flip(0)):
        torch.testing.assert_close(
            frozen_convolution(image, other, bias), plainly(image, other, bias), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("case", ["float64", "large image", "trained", "autocast"])
def test_everything_else_is_any_convolution(packing, case):
    image, weight, bias = tensors(dtype=torch.float64 if case == "float64" else torch.float32)
    if case == "large image":
        image = torch.randn(1, 16, 32, 32)
    weight.requires_grad_(case == "trained")
    with torch.autocast("cpu", enabled=case == "autocast"):
        ours, theirs = frozen_convolution(image, weight, bias), plainly(image, weight, bias)
    assert torch.equal(ours, theirs) and ours.dtype == theirs.dtype and not packing
