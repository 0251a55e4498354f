"""Published layout of lucidrains' StyleGAN2 (`GE.blocks.0.conv1.weight`,
https://github.com/lucidrains/stylegan2-pytorch): `model_N.pt`, of which the averages, `SE` and `GE`, are taken.

No tensor says the learning rate of its mapping network, on which its outputs depend: it is taken for the default, 0.1.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i.interop.layers import NUMBER, checked, count_numbered
from i2i.interop.stylegan2 import mean_style
from i2i.networks.generators.stylegan2_lucidrains import LucidrainsGenerator

LUCIDRAINS = "GE.blocks.0.conv1.weight"  # a key that only this layout has
_CONSTANT = "GE.initial_block"
_FILTER = ".upsample.1.f"  # the end of a constant's key
_RATE = 0.1  # of the mapping network's learning
_SEED = 0  # of the constant noise, which a file does not have
_MOST = 10  # blocks, of 2048 pixels


def lucidrains_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of lucidrains' generator with this published state dict. Raises ValueError."""
    if any(key.startswith("GE.attns.") for key in state):
        raise ValueError("a StyleGAN2 of lucidrains with attention (--attn-layers), which is not here")
    if "GE.to_initial_block.weight" in state:
        raise ValueError("a StyleGAN2 of lucidrains without a constant (--no-const), which is not here")
    count = count_numbered(state, rf"GE\.blocks\.{NUMBER}\.conv1\.weight")
    last = f"GE.blocks.{count - 1}"
    needed = (_CONSTANT, f"{last}.to_rgb.conv.weight", f"{last}.to_style1.weight")
    if lacking := [key for key in needed if key not in state]:
        raise ValueError(f"lacks {lacking[0]}, without which the network is not whole; copy or download it again")
    constant, image, affine = (state[key] for key in needed)
    if count > _MOST or min(constant.ndim, image.ndim, affine.ndim) < 2:
        raise ValueError(f"a StyleGAN2 of lucidrains of {count} blocks, of which there are none; at most {_MOST}")
    return {
        "size": 2 << count,
        "out_channels": image.shape[0],
        "latent": affine.shape[1],
        "mapping_layers": sum(bool(re.fullmatch(rf"SE\.net\.{NUMBER}\.weight", key)) for key in state),
        "capacity": image.shape[1] // 2,
        "features": constant.shape[1],
    }


def rename_lucidrains(state: Mapping[str, Tensor], network: LucidrainsGenerator) -> dict[str, Tensor]:
    """Rename the keys of a published state dict to those of our `network`, whose mean style is computed and whose
    constant noise is drawn, both from a seed. Raises ValueError for a key that is missing, unknown, or of another
    shape.
    """
    published = {
        key: each for key, each in state.items() if key.startswith(("SE.", "GE.")) and not key.endswith(_FILTER)
    }
    renamed = dict(_ours(key, tensor.float()) for key, tensor in published.items())
    noise = torch.rand(1, 1, network.size, network.size, generator=torch.Generator().manual_seed(_SEED))
    return checked(renamed | {"noise": noise, "mean_style": mean_style(renamed, network, rate=_RATE)}, network)


def _ours(key: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Our name and form of a tensor.

    Our mapping network scales latents by the root of their number, weights by its inverse, and what comes out of each
    layer by sqrt(2); weights are those that give w times sqrt(2), and of `affine` those that take it.
    """
    if found := re.fullmatch(rf"SE\.net\.{NUMBER}\.(weight|bias)", key):
        later = found[1] != "0" and found[2] == "weight"
        return f"mapping.layers.{found[1]}.{found[2]}", tensor * math.sqrt(tensor.shape[-1] / 2) if later else tensor
    if found := re.fullmatch(rf"GE\.blocks\.{NUMBER}\.(\w+)\.(.*)", key):
        return _of_block(f"blocks.{found[1]}", found[2], found[3], tensor)
    return key.removeprefix("GE.").replace("initial_block", "constant").replace("initial_conv", "stem"), tensor


def _of_block(block: str, layer: str, leaf: str, tensor: Tensor) -> tuple[str, Tensor]:
    if layer == "to_rgb":
        layer, _, leaf = leaf.partition(".")
        ours = f"{block}.to_image"
    else:
        ours = f"{block}.{'second' if layer.endswith('2') else 'first'}"
    match layer.rstrip("12"):
        case "to_style":
            return f"{ours}.affine.{leaf}", tensor / math.sqrt(2) if leaf == "weight" else tensor
        case "to_noise":  # a linear layer of one number
            return f"{ours}.{'strength' if leaf == 'weight' else leaf}", tensor.reshape(-1, 1, 1)
        case _:
            return f"{ours}.{leaf}", tensor
