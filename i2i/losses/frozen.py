"""3x3 convolutions with weights that never change, such as those of a classifier in a loss.

On a CPU oneDNN lays the weights out in its own way for every single call. Where there are more of them than pixels that
takes long beside the products; here it is done once for each direction. The operators are those that torch.compile
writes its code with; PyTorch promises nothing about them, so they are tried before they are used.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

PADDING, STRIDE, DILATION, GROUPS = [1, 1], [1, 1], [1, 1], 1

_packed = WeakTensorKeyDictionary()  # weights -> the same for the way there and, turned round, for the way back


def frozen_convolution(image: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What `F.conv2d` gives with a padding of 1: (N, C, H, W) and weights (D, C, 3, 3) -> (N, D, H, W)."""
    pays = image.device.type == "cpu" and image.dtype == torch.float32 and weight.numel() > image.numel()
    if not pays or weight.requires_grad or torch.is_autocast_enabled("cpu") or not _can_pack():
        return F.conv2d(image, weight, bias, padding=1)
    if weight not in _packed:
        _packed[weight] = _pack(weight, image), _pack(weight.transpose(0, 1).flip(2, 3), image)
    return _Packed.apply(image, *_packed[weight], bias)


class _Packed(torch.autograd.Function):
    """The way back to the image is a convolution, too: with the weights transposed and turned by 180 degrees."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, there: Tensor, back: Tensor, bias: Tensor) -> Tensor:
        ctx.back = back
        return _convolve(image, there, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _convolve(gradient, ctx.back, None), None, None, None


def _pack(weight: Tensor, image: Tensor) -> Tensor:
    """In the layout that is best for images of this size, right for all."""
    size = [len(image), weight.shape[1], *image.shape[2:]]
    weight = weight.contiguous(memory_format=torch.channels_last)
    return torch.ops.mkldnn._reorder_convolution_weight(weight, PADDING, STRIDE, DILATION, GROUPS, size)


def _convolve(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    image = image.contiguous(memory_format=torch.channels_last)
    return torch.ops.mkldnn._convolution_pointwise(
        image, weight, bias, PADDING, STRIDE, DILATION, GROUPS, "none", [], ""
    )


@cache
def _can_pack() -> bool:
    """Whether this build of PyTorch has the operators, as they are used here."""
    image, weight = torch.linspace(-1, 1, 36).reshape(1, 4, 3, 3), torch.linspace(-1, 1, 180).reshape(5, 4, 3, 3)
    try:
        found = _convolve(image, _pack(weight, image), None)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return found.shape == (1, 5, 3, 3) and torch.allclose(found, F.conv2d(image, weight, padding=1), atol=1e-5)
