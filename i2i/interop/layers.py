"""The layers of a published state dict, in the order in which our networks hold theirs."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

LEAVES = (
    "weight", "bias", "running_mean", "running_var", "num_batches_tracked", "weight_orig", "weight_u", "weight_v",
)  # fmt: skip

# Spectral norm as it was when the checkpoints were published <- as PyTorch does it now.
SPECTRAL_NORM = {
    "parametrizations.weight.original": "weight_orig",
    "parametrizations.weight.0._u": "weight_u",
    "parametrizations.weight.0._v": "weight_v",
}

# Where the first word of a key tells the place of its layer, since no number does; all other words stand for 0.
STAGES = {
    "RRDB_trunk": 1, "trunk_conv": 2, "upconv": 3, "HRconv": 4,
    "body": 1, "conv_body": 2, "conv_up": 3, "conv_hr": 4,
    "conv_last": 5,
    "linear": 1,
}  # fmt: skip

# Convolutions, norms and their like: what a layer of either side holds, by the last part of its keys.
Layer = dict[str, Tensor]


def rename(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """A published state dict, of a generator or a discriminator, named as `network` names it, ours of equal options.

    Left out are the running statistics that instance norms of PyTorch before 0.4 kept and did not use; the counters
    that batch norms of that time lacked become 0. Raises ValueError where a layer does not match.
    """
    expected = own_layers(network)
    names = {_split(key): key for key in network.state_dict()}
    layers = published_layers(state)
    if len(layers) != len(expected):
        raise ValueError(f"{len(layers)} layers with weights, but {type(network).__name__} has {len(expected)}")
    renamed: dict[str, Tensor] = {}
    for (name, ours), theirs in zip(expected.items(), layers, strict=True):
        if "num_batches_tracked" in ours:
            theirs = {"num_batches_tracked": torch.tensor(0)} | theirs
        if _shapes(ours) != _shapes(theirs):
            raise ValueError(f"{_shapes(theirs)} where {type(network).__name__} has {name} {_shapes(ours)}")
        renamed |= {names[name, leaf]: tensor for leaf, tensor in theirs.items()}
    return renamed


def own_layers(network: nn.Module) -> dict[str, Layer]:
    """The layers of a network of ours by name, in its order, which is the published one."""
    layers: dict[str, Layer] = {}
    for key, tensor in network.state_dict().items():
        name, leaf = _split(key)
        layers.setdefault(name, {})[leaf] = tensor
    return layers


def published_layers(state: Mapping[str, Tensor]) -> list[Layer]:
    """The layers with weights in the order of their positions, whatever the order of the keys. Raises ValueError."""
    layers: dict[str, Layer] = {}
    for key, tensor in state.items():
        name, _, leaf = key.rpartition(".")
        if leaf not in LEAVES:
            raise ValueError(f"key {key} is of no published network; known endings: {', '.join(LEAVES)}")
        layers.setdefault(name, {})[leaf] = tensor
    ordered = [layers[name] for name in sorted(layers, key=_position)]
    return [layer for layer in ordered if "weight" in layer or "weight_orig" in layer]


def convolution_weights(layers: list[Layer]) -> list[Tensor]:
    """The weights with four dimensions. Raises ValueError if there are fewer than the two that every generator has."""
    weights = [layer["weight"] for layer in layers if "weight" in layer]
    weights = [weight for weight in weights if weight.ndim == 4 and weight.numel()]
    if len(weights) < 2:
        raise ValueError(f"{len(weights)} convolutions, but every generator has more")
    return weights


def following(name: str) -> str:
    """The name of the layer right after the one called `name`: a norm or an activation after its convolution."""
    before, _, number = name.rpartition(".")
    return f"{before}.{int(number) + 1}"


def _position(name: str) -> tuple[int, tuple[int, ...], bool]:
    """Of a layer by name: stage, the numbers from left to right, and whether it is a norm after a convolution."""
    word = re.split(r"[\d.]", name, maxsplit=1)[0]
    return STAGES.get(word, 0), tuple(int(number) for number in re.findall(r"\d+", name)), word == "bn"


def _split(key: str) -> tuple[str, str]:
    """A key of our networks as the layer's name and the published last part."""
    for ending, leaf in SPECTRAL_NORM.items():
        if key.endswith(f".{ending}"):
            return key.removesuffix(f".{ending}"), leaf
    name, _, leaf = key.rpartition(".")
    return name, leaf


def _shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
    return {leaf: tuple(layer[leaf].shape) for leaf in LEAVES if leaf in layer}
