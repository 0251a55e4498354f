"""Published layout of the BigGAN-deep generator: that of `pytorch-pretrained-biggan`
(`generator.layers.0.bn_0.running_means`, https://github.com/huggingface/pytorch-pretrained-BigGAN), in which the
authors' weights for TensorFlow were published again.

Its norms have means and variances for every 50th of the truncation; those of an untruncated latent are taken. Weights
are divided by their largest singular values when they are loaded, and the network has no spectral norm then.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i.interop.layers import NUMBER, checked, count_numbered
from i2i.networks.generators.biggan import FIRST_SIZE, WIDTHS
from i2i.networks.generators.biggan_deep import BigGANDeepGenerator

PRETRAINED = "generator.gen_z.weight_orig"  # a key that only this layout has
_EMBEDDING, _HEAD = "embeddings.weight", "generator.conv_to_rgb.weight_orig"
_CHANNELS = 3  # of the convolution to RGB, which has as many as the map before it
_ATTENTION = {"theta": "query", "phi": "key", "g": "value", "o_conv": "out"}
_NORM = {
    "scale.weight": "gain.weight",
    "offset.weight": "bias.weight",
    "running_means": "norm.running_mean",
    "running_vars": "norm.running_var",
}
_PLAIN_NORM = {"running_means": "running_mean", "running_vars": "running_var"}


def biggan_deep_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the BigGAN-deep generator with this published state dict. Raises ValueError."""
    attention = _attention(state)
    count = count_numbered(state, rf"generator\.layers\.{NUMBER}\.(?:conv_0\.weight_orig|gamma)") - (attention > 0)
    size = next((each for each, widths in WIDTHS.items() if 2 * (len(widths) - 1) == count), 0)
    whole = [key in state and state[key].ndim == ndim for key, ndim in ((_EMBEDDING, 2), (_HEAD, 4))]
    if not size or not all(whole):
        raise ValueError(f"a BigGAN-deep of {count} blocks that is not whole; copy or download it again")
    latent, classes = state[_EMBEDDING].shape
    return {
        "size": size,
        "out_channels": _CHANNELS,
        "classes": classes,
        "latent": latent,
        "features": len(state[_HEAD]) // WIDTHS[size][-1],
        "attention": FIRST_SIZE << attention // 2 if attention else 0,
        "spectral_norm": False,
    }


def rename_biggan_deep(state: Mapping[str, Tensor], network: BigGANDeepGenerator) -> dict[str, Tensor]:
    """Rename the keys of a published state dict to those of our `network`. Raises ValueError for a key that is missing,
    unknown, or of another shape.
    """
    attention = _attention(state)
    return checked(dict(_ours(key, tensor, attention) for key, tensor in _divided(state).items()), network)


def _divided(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with weights that are divided by their largest singular values, by PyTorch's first spectral norm
    in eval mode, and without that norm's vectors.
    """
    divided = dict[str, Tensor]()
    for key, tensor in state.items():
        layer, _, leaf = key.rpartition(".")
        if leaf == "weight_orig":
            left, right = (state.get(f"{layer}.weight_{vector}", torch.empty(0)) for vector in "uv")
            matrix = tensor.flatten(1)
            if left.shape != matrix.shape[:1] or right.shape != matrix.shape[1:]:
                raise ValueError(f"{layer} has no vectors of its spectral norm that fit; copy or download it again")
            divided[f"{layer}.weight"] = tensor / (left @ matrix @ right)
        elif leaf not in ("weight_u", "weight_v", "num_batches_tracked"):
            divided[key] = tensor
    return divided


def _ours(key: str, tensor: Tensor, attention: int) -> tuple[str, Tensor]:
    """Our name and form of a tensor; the layer of number `attention` is one of attention."""
    if key.endswith(("running_means", "running_vars")):
        tensor = tensor[-1]
    if key == _EMBEDDING:
        return "embedding.weight", tensor.T
    name = key.removeprefix("generator.")
    if found := re.fullmatch(r"gen_z\.(\w+)", name):  # height, width, channels -> channels, height, width
        return f"stem.{found[1]}", tensor.unflatten(0, (FIRST_SIZE**2, -1)).transpose(0, 1).flatten(0, 1)
    if found := re.fullmatch(r"conv_to_rgb\.(\w+)", name):
        return f"head.2.{found[1]}", tensor[:_CHANNELS]
    if found := re.fullmatch(r"bn\.(\w+)", name):
        return f"head.0.{_PLAIN_NORM.get(found[1], found[1])}", tensor
    if not (found := re.fullmatch(rf"layers\.{NUMBER}\.(.*)", name)):
        return key, tensor
    number, leaf = int(found[1]), found[2]
    if 0 < number == attention:
        layer, _, weight = leaf.removeprefix("snconv1x1_").partition(".")
        ours = f"{_ATTENTION.get(layer, layer)}.{weight}" if weight else leaf
        return f"blocks.{number - 1}.attention.{ours}", tensor if weight else tensor.reshape(())
    block = f"blocks.{number - (0 < attention < number)}"
    if norm := re.fullmatch(r"bn_(\d)\.(.*)", leaf):
        return f"{block}.norms.{norm[1]}.{_NORM.get(norm[2], norm[2])}", tensor
    return f"{block}.{leaf.replace('conv_', 'convolutions.')}", tensor


def _attention(state: Mapping[str, Tensor]) -> int:
    """Number of the layer of attention; 0 without one."""
    numbers = [int(found[1]) for key in state if (found := re.fullmatch(rf"generator\.layers\.{NUMBER}\.gamma", key))]
    return numbers[0] if numbers else 0
