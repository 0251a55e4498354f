"""Published layout of the StyleGAN3 generator: NVIDIA's (`synthesis.L0_36_512.weight`)."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i.interop.layers import NUMBER, checked, count_numbered
from i2i.networks.generators.stylegan3 import StyleGAN3Generator

NVIDIA = "synthesis.input.freqs"  # a key that only this layout has
_LAYER = re.compile(rf"synthesis\.L{NUMBER}_{NUMBER}_{NUMBER}\.(.*)")
_RENAMED = {
    "magnitude_ema": "magnitude",
    "synthesis.input.freqs": "stem.frequencies",
    "mapping.w_avg": "mean_style",
    "mapping.embed.weight": "mapping.embedding.weight",
    "mapping.embed.bias": "mapping.embedding.bias",
}


def stylegan3_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the StyleGAN3 generator with this published state dict. Raises ValueError."""
    found = sorted(tuple(map(int, match.groups()[:3])) for key in state if (match := _LAYER.fullmatch(key)))
    weights = {match[1]: state[key] for key in state if (match := _LAYER.fullmatch(key)) and match[4] == "weight"}
    if not found or set(weights) != {str(number) for number in range(len(weights))} or len(weights) < 4:
        raise ValueError("a StyleGAN3 without layers; copy or download it again")
    layers, size, channels = found[-1]
    embedding, first = state.get("mapping.embed.weight", torch.empty(0, 0)), state.get("mapping.fc0.weight")
    affine = state.get("synthesis.input.affine.weight")
    if first is None or affine is None:
        raise ValueError("a StyleGAN3 without a mapping network or its input; copy or download it again")
    widths = [weight.shape[0] for weight in weights.values()]
    return {
        "size": size,
        "out_channels": channels,
        "classes": embedding.shape[1],
        "kind": "r" if weights["0"].shape[-1] == 1 else "t",
        "latent": first.shape[1] - embedding.shape[0],
        "style": affine.shape[1],
        "mapping_layers": count_numbered(state, rf"mapping\.fc{NUMBER}\.weight"),
        "layers": layers,
        "features": max(widths),
        "base": weights[str(layers)].shape[1] * size,
    }


def rename_stylegan3(state: Mapping[str, Tensor], network: StyleGAN3Generator) -> dict[str, Tensor]:
    """Rename the keys of a published state dict to those of our `network`, which has filters of its own. Raises
    ValueError for a key that is missing, unknown, or of another shape.
    """
    renamed = {our_name(key): tensor.float() for key, tensor in state.items() if not key.endswith("_filter")}
    return checked(renamed, network)


def our_name(key: str) -> str:
    """Our name for a tensor of NVIDIA's."""
    if match := _LAYER.fullmatch(key):
        return f"body.{int(match[1])}.{_RENAMED.get(match[4], match[4])}"
    if match := re.fullmatch(rf"mapping\.fc{NUMBER}\.(weight|bias)", key):
        return f"mapping.layers.{2 * int(match[1])}.{match[2]}"
    return _RENAMED.get(key, key.replace("synthesis.input.", "stem."))
