"""The weights of the recorded StyleGAN2 networks, made from their names by a rule of their own; our names for them."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from tests import golden

_FACTORS = {"bias": 0.1, "noise_strength": 0.05, "w_avg": 0.5}  # of normally distributed numbers; others 1
_CONSTRUCTED = ".resample_filter"  # not by the rule
_LAST = {"conv": "head.1", "fc": "head.4", "out": "head.6"}
_BLOCK = {"fromrgb": "stem.0", "conv0": "residual.0", "conv1": "residual.3", "skip": "skip.1"}


def weights(shapes: Mapping[str, Sequence[int]], prefix: str = "") -> dict[str, Tensor]:
    """A state dict with these original keys and shapes, in float32; `prefix` ("G.") belongs to a tensor's name, not its
    key.
    """
    return {key: _weight(prefix + key, shape) for key, shape in shapes.items() if not key.endswith(_CONSTRUCTED)}


def generator_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A generator's state dict under our names, in our shapes."""
    named = {generator_name(key): tensor for key, tensor in state.items()}
    return {name: _shaped(name, tensor) for name, tensor in named.items()}


def discriminator_state(state: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    """A discriminator's state dict, for images of `size` pixels, under our names."""
    return {discriminator_name(key, size): tensor for key, tensor in state.items()}


def generator_name(key: str) -> str:
    """Our name for a generator's tensor."""
    found = re.fullmatch(r"synthesis\.b(\d+)\.(conv0|conv1|torgb)\.(.*)", key)
    if found is None:
        return _mapping_name({"synthesis.b4.const": "constant", "mapping.w_avg": "mean_style"}.get(key, key))
    level, layer = int(found[1]).bit_length() - 3, found[2]
    leaf = {"noise_strength": "strength", "noise_const": "noise"}.get(found[3], found[3])
    if layer == "torgb":
        return f"to_image.{level}." + (leaf if leaf.startswith("affine") else f"convolution.{leaf}")
    return f"up.{level - 1}.{leaf}" if layer == "conv0" else f"flat.{level}.{leaf}"


def discriminator_name(key: str, size: int) -> str:
    """Our name for a discriminator's tensor."""
    block, layer, leaf = key.split(".")
    if block == "mapping":
        return _mapping_name(key)
    if block == "b4":
        return f"{_LAST[layer]}.{leaf}"
    level = size.bit_length() - int(block[1:]).bit_length()
    return f"{_BLOCK[layer]}.{leaf}" if layer == "fromrgb" else f"blocks.{level}.{_BLOCK[layer]}.{leaf}"


def _mapping_name(key: str) -> str:
    # Every other layer of ours is an activation.
    key = re.sub(r"^mapping\.fc(\d+)", lambda found: f"mapping.layers.{2 * int(found[1])}", key)
    return key.replace("mapping.embed.", "mapping.embedding.")


def _shaped(name: str, tensor: Tensor) -> Tensor:
    if name == "constant" or name.endswith(".noise"):
        return tensor.reshape(1, -1, *tensor.shape[-2:])
    return tensor[:, None, None] if re.fullmatch(r"(up|flat)\.\d+\.bias", name) else tensor


def _weight(key: str, shape: Sequence[int]) -> Tensor:
    leaf = key.rpartition(".")[2]
    factor = _FACTORS.get(leaf, 1) * (100 if "mapping.fc" in key else 1)
    constant = 1 if key.endswith("affine.bias") else 0.1 if leaf == "noise_strength" else 0
    return torch.as_tensor(np.float32(constant) + np.float32(factor) * golden.normal(key, shape).numpy())
