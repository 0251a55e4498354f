"""Structural re-parameterisation: modules that train as several branches and run as one plain convolution.

Ding, Zhang, Ma, Han, Ding, Sun 2021: RepVGG: Making VGG-style ConvNets Great Again, section 3.3,
https://arxiv.org/abs/2101.03697
"""

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Network = TypeVar("Network", bound=nn.Module)


class Reparameterised(nn.Module, ABC):
    """A module of linear branches that equals one plain convolution. Training, checkpoints and weights files keep the
    branches.
    """

    @abstractmethod
    def folded(self) -> nn.Module:
        """The equal plain convolution, with weights of its own in this module's type, on its device and in its mode."""


def fold(network: Network) -> Network:
    """Copy a network with every re-parameterised module replaced by its plain convolution, for use; it can be neither
    trained on nor saved. A network without such modules is returned itself.
    """
    branched = {id(each): each.folded() for each in network.modules() if isinstance(each, Reparameterised)}
    # `deepcopy` takes what its memo holds for the copy.
    return deepcopy(network, branched) if branched else network


class ExpandedConvolution(Reparameterised):
    """A 3x3 convolution trained as 1x1, 3x3 and 1x1 in a row, `gain` times as wide inside, plus a 1x1 skip (Conv3XC).

    Wan, Yu, Li, Chen, Zou, Liu, Yin, Zuo 2024: Swift Parameter-free Attention Network for Efficient Super-Resolution,
    https://arxiv.org/abs/2311.12770, with its code. The image is padded with zeros in front of the first 1x1
    convolution, whose bias is thereby in the border as well, as the bias of the folded convolution has it.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, *, gain: int = 2) -> None:
        super().__init__()
        self.skip = nn.Conv2d(in_channels, out_channels, 1)
        self.expand = nn.Conv2d(in_channels, in_channels * gain, 1)
        self.convolution = nn.Conv2d(in_channels * gain, out_channels * gain, 3)
        self.project = nn.Conv2d(out_channels * gain, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.project(self.convolution(self.expand(F.pad(image, (1, 1, 1, 1))))) + self.skip(image)

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        # In float64: products of three weights lose digits.
        first, middle, last, skip = (
            each.double()
            for each in (self.expand.weight, self.convolution.weight, self.project.weight, self.skip.weight)
        )
        # Matrices of the channels: o is the result's, p and m are inside, i is the image's.
        weight = torch.einsum("op,pmhw,mi->oihw", last[..., 0, 0], middle, first[..., 0, 0])
        weight[..., 1:2, 1:2] += skip
        inner = middle.sum((2, 3)) @ _bias(self.expand) + _bias(self.convolution)
        bias = last[..., 0, 0] @ inner + _bias(self.project) + _bias(self.skip)
        plain = nn.Conv2d(skip.shape[1], skip.shape[0], 3, padding=1, device=skip.device, dtype=self.skip.weight.dtype)
        plain.weight.copy_(weight)
        plain.get_parameter("bias").copy_(bias)
        return plain.train(self.training)


def _bias(convolution: nn.Conv2d) -> Tensor:
    return convolution.get_parameter("bias").double()
