"""Published layout of the generators of Pix2Pix, CycleGAN and CUT: positions in the reference's nested `nn.Sequential`
(https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix and https://github.com/taesungp/contrastive-unpaired-translation).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i.interop.layers import NUMBER, Layer, check_names, convolution_weights, count_numbered, published_layers

# Of the filters, in both directions; up-sampling has zeros between the pixels.
_DOWN_TAPS, _UP_TAPS = torch.tensor([1.0, 2.0, 1.0]) / 4, torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4


def unet_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the U-Net with this published state dict. Raises ValueError."""
    layers = published_layers(state)
    first, *_, last = convolution_weights(layers)
    depth = 2 + min(max(key.count(".3.model") for key in state), len(layers))
    check_names(state, unet_names(depth))
    # The last convolution is transposed: its weight is (in, out, 4, 4).
    return _common(layers, first) | {"out_channels": last.shape[1], "depth": depth}


def resnet_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the ResNet, of CycleGAN or CUT, with this published state dict. Raises ValueError."""
    layers = published_layers(state)
    first, *_, last = convolution_weights(layers)
    # Filters, behind a down-sampling and in front of an up-sampling, move the convolution after them one position on.
    antialias_down = _is_convolution(state, "model.8")
    start = 12 if antialias_down else 10
    blocks = count_numbered(state, rf"model\.{NUMBER}\.conv_block\.\d\.weight", start=start)
    # Dropout within a block moves its second convolution one position on.
    dropout = _is_convolution(state, f"model.{start}.conv_block.6")
    antialias_up = _is_convolution(state, f"model.{start + blocks + 1}")
    antialias = {"antialias_down": antialias_down, "antialias_up": antialias_up}
    without_filters = {key: tensor for key, tensor in state.items() if not key.endswith(".filt")}
    check_names(without_filters, resnet_names(blocks, dropout=dropout, **antialias))
    _check_filters(state, resnet_filters(len(first), blocks, **antialias))
    options = {"out_channels": last.shape[0], "blocks": blocks, "dropout": dropout}
    return _common(layers, first) | options | {name: True for name, is_on in antialias.items() if is_on}


def unet_names(depth: int) -> list[str]:
    """Names of a U-Net's convolutions from the outermost to the innermost and back: every level is nested in the one
    above it, between its down-sampling and its up-sampling.
    """
    inner = [f"model.model.1.model{'.3.model' * level}" for level in range(depth - 1)]
    down, up = [f"{level}.1" for level in inner], [f"{level}.5" for level in inner[:-1]]
    return ["model.model.0", *down, f"{inner[-1]}.3", *reversed(up), "model.model.3"]


def resnet_names(blocks: int, *, dropout: bool, antialias_down: bool = False, antialias_up: bool = False) -> list[str]:
    """Names of a ResNet's convolutions in order; norms, activations, paddings, filters and dropout are numbered with
    them.
    """
    second, start = 6 if dropout else 5, 12 if antialias_down else 10
    residual = [f"model.{start + n}.conv_block.{position}" for n in range(blocks) for position in (1, second)]
    down = (1, 4, 8) if antialias_down else (1, 4, 7)
    up = (1, 5, 9) if antialias_up else (0, 3, 7)
    return [*(f"model.{n}" for n in down), *residual, *(f"model.{start + blocks + n}" for n in up)]


def resnet_filters(features: int, blocks: int, *, antialias_down: bool, antialias_up: bool) -> dict[str, Tensor]:
    """The constant filters (channels, 1, k, k) of a ResNet's anti-aliased samplings, by their keys."""
    after = 12 + blocks if antialias_down else 10 + blocks
    down = {7: 2 * features, 11: 4 * features} if antialias_down else {}
    up = {after: 4 * features, after + 4: 2 * features} if antialias_up else {}
    filters = [(down, _DOWN_TAPS), (up, _UP_TAPS)]
    return {
        f"model.{position}.filt": torch.outer(taps, taps).repeat(channels, 1, 1, 1)
        for positions, taps in filters
        for position, channels in positions.items()
    }


def _check_filters(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raises ValueError unless the filters of a published state dict are the `expected` ones, which ours are."""
    if strange := next((key for key in state if key.endswith(".filt") and key not in expected), None):
        raise ValueError(f"has {strange}, which the published network of this kind does not have")
    for key, filters in expected.items():
        if key not in state:
            raise ValueError(f"lacks {key}, a filter of CUT's anti-aliased network; copy or download it again")
        if state[key].shape != filters.shape or not torch.allclose(state[key].float(), filters, atol=1e-3):
            raise ValueError(f"{key} is not the filter that CUT was published with, which is the only one known here")


def _is_convolution(state: Mapping[str, Tensor], name: str) -> bool:
    return state.get(f"{name}.weight", torch.empty(0)).ndim == 4


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
