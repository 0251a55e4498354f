"""Generators of Pix2Pix and CycleGAN, whose keys are positions in the reference implementation's nested
`nn.Sequential` (https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix).
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i.interop.layers import Layer, convolution_weights, published_layers


def unet_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The options of the U-Net with this published state dict. Raises ValueError."""
    layers = published_layers(state)
    first, *_, last = weights = convolution_weights(layers)
    # The last convolution is transposed: its weight is (in, out, 4, 4).
    return _common(layers, first) | {"out_channels": last.shape[1], "depth": len(weights) // 2}


def resnet_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The options of the ResNet with this published state dict. Raises ValueError."""
    layers = published_layers(state)
    first, *_, last = convolution_weights(layers)
    blocks = sum(bool(re.fullmatch(r"model\.\d+\.conv_block\.1\.weight", key)) for key in state)
    # Dropout within a block moves its second convolution one position on.
    dropout = state.get("model.10.conv_block.6.weight", torch.empty(0)).ndim == 4
    return _common(layers, first) | {"out_channels": last.shape[0], "blocks": blocks, "dropout": dropout}


def _common(layers: list[Layer], first: Tensor) -> dict[str, Any]:
    return {"in_channels": first.shape[1], "features": first.shape[0], "norm": _recognise_norm(layers)}


def _recognise_norm(layers: list[Layer]) -> str:
    convolutions = [layer for layer in layers if layer["weight"].ndim == 4]
    # The second convolution of either generator stands in front of a norm: it has a bias only with instance norm.
    biased = "bias" in convolutions[1]
    affine = len(layers) > len(convolutions)
    if biased and affine:
        raise ValueError("instance norm with weights of its own, as in files of early 2017, is not supported")
    return "instance" if biased else "batch" if affine else "none"
