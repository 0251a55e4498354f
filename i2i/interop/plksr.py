"""Published layouts of PLKSR (https://github.com/dslisleedh/PLKSR) and of RealPLKSR, as neosr
(https://github.com/neosr-project/neosr) and traiNNer-redux write it.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from i2i.interop.layers import NUMBER, keys_of, rename_as
from i2i.interop.span import square_root
from i2i.networks.dysample import DySample
from i2i.networks.generators.plksr import MIXERS, PLKSR, ElementwiseAttention, PartialConvolution
from i2i.networks.generators.realplksr import GROUPS, LayerNorm, RealPLKSR

POINTS = "to_img.init_pos"  # where DySample's points are before they are moved, which follows from the scale


def plksr_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the PLKSR network with this published state dict. Raises ValueError."""
    options = _options(state, beyond_blocks=2)
    sides = tuple(_weight(state, f"feats.1.channe_mixer.{n}").shape[2] for n in (0, 2))
    if sides not in MIXERS.values():
        raise ValueError(f"a channel mixer with kernels of {sides}; known are {[*MIXERS.values()]}")
    return options | {"mixer": next(name for name, kernels in MIXERS.items() if kernels == sides)}


def realplksr_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the RealPLKSR network with this published state dict; its group norm has 4 groups, which no file says.
    Raises ValueError.
    """
    norm = "layer" if "feats.1.layer_norm.weight" in state else "group"
    return _options(state, beyond_blocks=3) | {"norm": norm, "dysample": POINTS in state}


def rename_plksr(state: Mapping[str, Tensor], network: PLKSR | RealPLKSR) -> dict[str, Tensor]:
    """Rename the keys of a published state dict to those of our `network`. Raises ValueError as `rename_as`."""
    weights = {key: tensor for key, tensor in state.items() if key != POINTS}
    return rename_as(_names(network), weights, network)


def publish_plksr(network: PLKSR | RealPLKSR) -> dict[str, Tensor]:
    """State dict of a PLKSR or RealPLKSR network with the published keys. Raises ValueError for groups that no file
    says.
    """
    if any(isinstance(layer, nn.GroupNorm) and layer.num_groups != GROUPS for layer in network.modules()):
        raise ValueError(f"RealPLKSR was published with groups = {GROUPS} only")
    state = network.state_dict()
    published = {theirs: state[ours] for ours, theirs in keys_of(_names(network), network).items()}
    sampling = getattr(network, "up", None)
    return published | ({POINTS: _points(sampling)} if isinstance(sampling, DySample) else {})


def _options(state: Mapping[str, Tensor], beyond_blocks: int) -> dict[str, Any]:
    last = max(int(match[1]) for key in state if (match := re.match(rf"feats\.{NUMBER}\.", key)))
    features, channels = _weight(state, "feats.0").shape[:2]
    kernel = _weight(state, "feats.1.lk.conv")
    return {
        "in_channels": channels,
        "out_channels": channels,  # it adds to its input
        "features": features,
        "blocks": last + 1 - beyond_blocks,
        "scale": square_root(_weight(state, f"feats.{last}").shape[0] / channels),
        "kernel": kernel.shape[2],
        "share": kernel.shape[0] / features,
        "attention": "feats.1.attn.f.0.weight" in state,
    }


def _weight(state: Mapping[str, Tensor], name: str) -> Tensor:
    weight = state.get(f"{name}.weight")
    if weight is None or weight.ndim != 4:
        raise ValueError(f"lacks the convolution {name}.weight, without which the network is not whole; copy it again")
    return weight


def _names(network: PLKSR | RealPLKSR) -> list[str]:
    """Published names of the layers in the order of ours."""
    # The slip of the pen is PLKSR's; RealPLKSR has dropout, which has a number, before its last layer.
    mixer, dropout = ("channe_mixer", 0) if isinstance(network, PLKSR) else ("channel_mixer", 1)
    names = ["feats.0"]
    for number, block in enumerate(network.blocks, 1):
        inner = (name for layer in block.get_submodule("residual").children() for name in _names_in_block(layer, mixer))
        names += [f"feats.{number}.{name}" for name in inner]
    names.append(f"feats.{len(network.blocks) + 1 + dropout}")
    if isinstance(network, RealPLKSR) and isinstance(network.up, DySample):
        names += ["to_img.offset", "to_img.scope"]
        names += ["to_img.end_conv"] * isinstance(network.up.last, nn.Conv2d)
    return names


def _names_in_block(layer: nn.Module, mixer: str) -> list[str]:
    match layer:
        case nn.Sequential():
            return [f"{mixer}.0", f"{mixer}.2"]
        case PartialConvolution():
            return ["lk.conv"]
        case ElementwiseAttention():
            return ["attn.f.0"]
        case nn.Conv2d():
            return ["refine"]
        case nn.GroupNorm():
            return ["norm"]
        case LayerNorm():
            return ["layer_norm"]
        case _:
            return []


def _points(sampling: DySample) -> Tensor:
    """The points of a pixel, relative to its centre, as (1, 2 * groups * scale ** 2, 1, 1): across, then down."""
    offsets = (torch.arange(sampling.scale) - (sampling.scale - 1) / 2) / sampling.scale
    across, down = offsets.repeat(sampling.scale), offsets.repeat_interleave(sampling.scale)
    return torch.stack([across, down])[:, None].repeat(1, sampling.groups, 1).view(1, -1, 1, 1)
