"""3x3 convolutions with weights that never change, such as those of a classifier in a loss: packed once for each
direction.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

from i2i.packed import Steps, convolve, pack, pays

_STEPS = Steps(stride=[1, 1], padding=[1, 1], dilation=[1, 1])

_packed = WeakTensorKeyDictionary()  # weights -> the same for the way there and, turned round, for the way back


def frozen_convolution(image: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What `F.conv2d` gives with a padding of 1: (N, C, H, W) and weights (D, C, 3, 3) -> (N, D, H, W)."""
    if weight.requires_grad or not pays(image, weight):
        return F.conv2d(image, weight, bias, padding=1)
    if weight not in _packed:
        turned = weight.transpose(0, 1).flip(2, 3)
        gradient = image.new_empty(len(image), len(weight), *image.shape[2:])
        _packed[weight] = pack(weight, image, _STEPS), pack(turned, gradient, _STEPS)
    return _Packed.apply(image, *_packed[weight], bias)


class _Packed(torch.autograd.Function):
    """The way back to the image is a convolution, too: with the weights transposed and turned by 180 degrees."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, there: Tensor, back: Tensor, bias: Tensor) -> Tensor:
        ctx.back = back
        return convolve(image, there, bias, _STEPS)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return convolve(gradient, ctx.back, None, _STEPS), None, None, None
