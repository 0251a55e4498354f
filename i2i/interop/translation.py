"""Published layout of the generators of Pix2Pix and CycleGAN: positions in the reference's nested `nn.Sequential`
(https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i.interop.layers import NUMBER, Layer, check_names, convolution_weights, count_numbered, published_layers


def unet_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the U-Net with this published state dict. Raises ValueError."""
    layers = published_layers(state)
    first, *_, last = convolution_weights(layers)
    depth = 2 + min(max(key.count(".3.model") for key in state), len(layers))
    check_names(state, unet_names(depth))
    # The last convolution is transposed: its weight is (in, out, 4, 4).
    return _common(layers, first) | {"out_channels": last.shape[1], "depth": depth}


def resnet_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the ResNet with this published state dict. Raises ValueError."""
    layers = published_layers(state)
    first, *_, last = convolution_weights(layers)
    blocks = count_numbered(state, rf"model\.{NUMBER}\.conv_block\.\d\.weight", start=10)
    # Dropout within a block moves its second convolution one position on.
    dropout = state.get("model.10.conv_block.6.weight", torch.empty(0)).ndim == 4
    check_names(state, resnet_names(blocks, dropout=dropout))
    return _common(layers, first) | {"out_channels": last.shape[0], "blocks": blocks, "dropout": dropout}


def unet_names(depth: int) -> list[str]:
    """Names of a U-Net's convolutions from the outermost to the innermost and back: every level is nested in the one
    above it, between its down-sampling and its up-sampling.
    """
    inner = [f"model.model.1.model{'.3.model' * level}" for level in range(depth - 1)]
    down, up = [f"{level}.1" for level in inner], [f"{level}.5" for level in inner[:-1]]
    return ["model.model.0", *down, f"{inner[-1]}.3", *reversed(up), "model.model.3"]


def resnet_names(blocks: int, *, dropout: bool) -> list[str]:
    """Names of a ResNet's convolutions in order; norms, activations, paddings and dropout are numbered with them."""
    second, after = 6 if dropout else 5, 10 + blocks
    residual = [f"model.{10 + n}.conv_block.{position}" for n in range(blocks) for position in (1, second)]
    return ["model.1", "model.4", "model.7", *residual, *(f"model.{after + n}" for n in (0, 3, 7))]


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
