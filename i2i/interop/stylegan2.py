"""Published layouts of the StyleGAN2 generator: NVIDIA's (`synthesis.b4.const`) and rosinality's
(`convs.0.conv.weight`, https://github.com/rosinality/stylegan2-pytorch).

NVIDIA's layers of half precision clamp their outputs to -256..256, which trained networks rarely reach; ours do not.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i.interop.layers import NUMBER, count_numbered
from i2i.networks import stylegan2_layers
from i2i.networks.generators.stylegan2 import StyleGAN2Generator
from i2i.networks.generators.stylegan2_lucidrains import LucidrainsGenerator

NVIDIA, ROSINALITY = "synthesis.b4.const", "to_rgb1.conv.weight"  # keys that only these layouts have
_MEAN = "mean_style"
_LATENTS, _SEED = 10_000, 0  # for a mean style that a file does not have
_RATE = 0.01  # of the mapping network's learning, which no tensor says

# Our leaves -> theirs, of a styled layer and of one to RGB.
_NVIDIA_LAYER = {"weight": "weight", "bias": "bias", "strength": "noise_strength", "noise": "noise_const",
                 "affine.weight": "affine.weight", "affine.bias": "affine.bias"}  # fmt: skip
_NVIDIA_RGB = {"affine.weight": "affine.weight", "affine.bias": "affine.bias", "convolution.weight": "weight",
               "convolution.bias": "bias"}  # fmt: skip
_MODULATION = {"affine.weight": "conv.modulation.weight", "affine.bias": "conv.modulation.bias"}
_ROSINALITY_LAYER = {"weight": "conv.weight", "bias": "activate.bias", "strength": "noise.weight", **_MODULATION}
_ROSINALITY_RGB = {"convolution.weight": "conv.weight", "convolution.bias": "bias", **_MODULATION}


def stylegan2_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the StyleGAN2 generator with this published state dict. Raises ValueError."""
    if NVIDIA in state:
        blocks = [re.fullmatch(rf"synthesis\.b{NUMBER}\.conv1\.weight", key) for key in state]
        size = max(int(found[1]) for found in blocks if found) if any(blocks) else 0
        layers = count_numbered(state, rf"mapping\.fc{NUMBER}\.weight")
    else:
        size = 4 << min(count_numbered(state, rf"to_rgbs\.{NUMBER}\.bias"), 12)
        layers = count_numbered(state, rf"style\.{NUMBER}\.weight", start=1)
    if size < 8 or size & (size - 1) or not layers:
        raise ValueError(f"a StyleGAN2 of {layers} mapping layers for {size} pixels, of which there are none")
    names = _names(state, levels=size.bit_length() - 2, layers=layers)
    first, last = (_get(state, names[f"to_image.{level}.affine.bias"]) for level in (0, size.bit_length() - 3))
    embedding = state.get("mapping.embed.weight", torch.empty(0, 0))
    return {
        "size": size,
        "out_channels": _get(state, names["to_image.0.convolution.bias"]).numel(),
        "classes": embedding.shape[1],
        "latent": _get(state, names["mapping.layers.0.weight"]).shape[-1] - embedding.shape[0],
        "style": _get(state, names["to_image.0.affine.weight"]).shape[-1],
        "mapping_layers": layers,
        "features": first.numel(),
        "base": last.numel() * size,
    }


def rename_stylegan2(state: Mapping[str, Tensor], network: StyleGAN2Generator) -> dict[str, Tensor]:
    """Rename the keys of a published state dict to those of our `network`, whose mean style is computed where the file
    has none. Raises ValueError for a key that is missing, or of another shape.
    """
    expected, renamed = network.state_dict(), dict[str, Tensor]()
    names = _names(state, levels=len(network.flat), layers=len(network.mapping.layers) // 2)
    if network.classes:
        names |= {f"mapping.embedding.{leaf}": f"mapping.embed.{leaf}" for leaf in ("weight", "bias")}
    for ours, theirs in names.items():
        if ours == _MEAN and theirs not in state:
            continue
        found, needed = _get(state, theirs), expected[ours].shape
        if _without_ones(found.shape) != _without_ones(needed):
            raise ValueError(f"{theirs} is {tuple(found.shape)}, where StyleGAN2 has {ours} {tuple(needed)}")
        renamed[ours] = found.reshape(needed).float()
    return renamed if _MEAN in renamed else renamed | {_MEAN: mean_style(renamed, network, rate=_RATE)}


def publish_stylegan2(network: StyleGAN2Generator) -> dict[str, Tensor]:
    """State dict of a generator in rosinality's layout, with its mean style as `latent_avg`. Raises ValueError for what
    this layout has not.
    """
    names = rosinality_names(levels=len(network.flat), layers=len(network.mapping.layers) // 2)
    state = network.state_dict()
    if network.classes or network.out_channels != 3 or names.keys() != state.keys():
        raise ValueError("StyleGAN2 was published by rosinality for RGB, without classes, demodulated; choose --to i2i")
    published = {theirs: _as_rosinality(theirs, state[ours]) for ours, theirs in names.items()}
    kernel = network.upsample.kernel[0, 0]
    for level in range(1, len(network.flat)):
        published[f"convs.{2 * level - 2}.conv.blur.kernel"] = kernel
        published[f"to_rgbs.{level - 1}.upsample.kernel"] = kernel
    return published


def nvidia_names(*, levels: int, layers: int) -> dict[str, str]:
    """Our keys -> NVIDIA's, for maps of 4, 8, ... pixels, but for those of labels."""
    names = {"constant": NVIDIA, _MEAN: "mapping.w_avg"}
    for layer in range(layers):
        names |= _leaves(f"mapping.layers.{2 * layer}", f"mapping.fc{layer}", {"weight": "weight", "bias": "bias"})
    for level in range(levels):
        block = f"synthesis.b{4 << level}"
        names |= _leaves(f"flat.{level}", f"{block}.conv1", _NVIDIA_LAYER)
        names |= _leaves(f"to_image.{level}", f"{block}.torgb", _NVIDIA_RGB)
        names |= _leaves(f"up.{level - 1}", f"{block}.conv0", _NVIDIA_LAYER) if level else {}
    return names


def rosinality_names(*, levels: int, layers: int) -> dict[str, str]:
    """Our keys -> rosinality's, for maps of 4, 8, ... pixels."""
    names = {"constant": "input.input", _MEAN: "latent_avg"}
    for layer in range(layers):
        names |= _leaves(f"mapping.layers.{2 * layer}", f"style.{layer + 1}", {"weight": "weight", "bias": "bias"})
    for level in range(levels):
        flat, to_image = (f"convs.{2 * level - 1}", f"to_rgbs.{level - 1}") if level else ("conv1", "to_rgb1")
        names |= _leaves(f"flat.{level}", flat, _ROSINALITY_LAYER) | {
            f"flat.{level}.noise": f"noises.noise_{2 * level}"
        }
        names |= _leaves(f"to_image.{level}", to_image, _ROSINALITY_RGB)
        if level:
            names |= _leaves(f"up.{level - 1}", f"convs.{2 * level - 2}", _ROSINALITY_LAYER)
            names |= {f"up.{level - 1}.noise": f"noises.noise_{2 * level - 1}"}
    return names


def _names(state: Mapping[str, Tensor], *, levels: int, layers: int) -> dict[str, str]:
    return (nvidia_names if NVIDIA in state else rosinality_names)(levels=levels, layers=layers)


def _leaves(ours: str, theirs: str, leaves: Mapping[str, str]) -> dict[str, str]:
    return {f"{ours}.{leaf}": f"{theirs}.{each}" for leaf, each in leaves.items()}


def _get(state: Mapping[str, Tensor], key: str) -> Tensor:
    if key not in state:
        raise ValueError(f"lacks {key}, without which the network is not whole; copy or download it again")
    return state[key]


def _without_ones(shape: torch.Size) -> list[int]:
    return [length for length in shape if length != 1]


def _as_rosinality(key: str, tensor: Tensor) -> Tensor:
    """One of our tensors in the shape of theirs."""
    if key.endswith("conv.weight"):
        return tensor[None]
    if key.endswith(("activate.bias", "noise.weight")):
        return tensor.reshape(-1)
    return tensor.reshape(1, -1, 1, 1) if re.fullmatch(r"to_rgb.*\.bias", key) and "modulation" not in key else tensor


def mean_style(
    state: Mapping[str, Tensor], network: StyleGAN2Generator | LucidrainsGenerator, *, rate: float
) -> Tensor:
    """Mean style (style,) of many latents, over all classes, as rosinality's code computes it: of our `network` with
    this state dict, whose mapping network learned at a `rate`.
    """
    prefix, style = "mapping.", len(state["mapping.layers.0.bias"])
    mapping = stylegan2_layers.Mapping(
        latent=network.latent, classes=network.classes, width=style, layers=len(network.mapping.layers) // 2, rate=rate
    )
    mapping.load_state_dict({key.removeprefix(prefix): each for key, each in state.items() if key.startswith(prefix)})
    random = torch.Generator().manual_seed(_SEED)
    with torch.no_grad(), torch.device("cpu"):
        label = torch.arange(_LATENTS) % network.classes if network.classes else None
        return mapping(torch.randn(_LATENTS, network.latent, generator=random), label).mean(0)
