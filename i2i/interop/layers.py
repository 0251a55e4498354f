"""Layers of a published state dict in the order of our networks."""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

LEAVES = (
    "weight", "bias", "running_mean", "running_var", "num_batches_tracked", "weight_orig", "weight_u", "weight_v",
    "filt",
)  # fmt: skip

# Keys of spectral norm: today's of PyTorch -> those of the published checkpoints.
SPECTRAL_NORM = {
    "parametrizations.weight.original": "weight_orig",
    "parametrizations.weight.0._u": "weight_u",
    "parametrizations.weight.0._v": "weight_v",
}

# Positions of layers whose keys have no number, by the first word; all other words stand for 0.
STAGES = {
    "RRDB_trunk": 1, "trunk_conv": 2, "upconv": 3, "HRconv": 4,
    "body": 1, "conv_body": 2, "conv_up": 3, "conv_hr": 4,
    "conv_last": 5,
    "linear": 1,
}  # fmt: skip

NUMBER = r"(\d{1,6})"  # in the pattern of a key

# The tensors of a layer with weights, by the last part of their keys.
Layer = dict[str, Tensor]


def rename(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Rename the keys of a published state dict, of a generator or discriminator, to those of our `network`.

    The unused running statistics of instance norms before PyTorch 0.4 are left out; the missing counters of batch norms
    of that time become 0. Raises ValueError where a layer does not match.
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


def checked(renamed: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Tensors that were renamed to those of our `network`, with the counters of its batch norms, which such a layout
    has not. Raises ValueError for a tensor that is missing, unknown, or of another shape.
    """
    expected = network.state_dict()
    counters = {key: torch.tensor(0) for key in expected if key.endswith("num_batches_tracked")}
    if wrong := sorted(set(renamed).symmetric_difference(set(expected) - set(counters))):
        raise ValueError(f"lacks or has too many tensors, such as {wrong[0]} by our names; copy or download it again")
    for name, tensor in renamed.items():
        if tensor.shape != expected[name].shape:
            needed = f"{type(network).__name__} has {tuple(expected[name].shape)}"
            raise ValueError(f"{name} is {tuple(tensor.shape)}, where {needed}")
    return {**renamed, **counters}


def rename_as(names: Sequence[str], state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Rename the keys of a published state dict to those of our `network`, whose layers have the published `names` in
    their order. Raises ValueError for a key that is missing, unknown, or of another shape.
    """
    expected, keys = network.state_dict(), keys_of(names, network)
    if strange := next(iter(sorted(set(state).difference(keys.values()))), None):
        raise ValueError(f"has {strange}, which the published network of this kind does not have")
    for ours, theirs in keys.items():
        if theirs not in state:
            raise ValueError(f"lacks {theirs}, without which the network is not whole; copy or download it again")
        found, needed = (tuple(each.shape) for each in (state[theirs], expected[ours]))
        if found != needed:
            raise ValueError(f"{theirs} is {found}, where {type(network).__name__} has {ours} {needed}")
    return {ours: state[theirs] for ours, theirs in keys.items()}


def keys_of(names: Sequence[str], network: nn.Module) -> dict[str, str]:
    """Keys of the layers with weights of our `network` -> those that its layers' published `names` give."""
    layers = {name: layer for name, layer in own_layers(network).items() if "weight" in layer}
    pairs = zip(layers.items(), names, strict=True)
    return {f"{ours}.{leaf}": f"{theirs}.{leaf}" for (ours, layer), theirs in pairs for leaf in layer}


def own_layers(network: nn.Module) -> dict[str, Layer]:
    """Layers of one of our networks by name, in their order, which is the published one."""
    layers: dict[str, Layer] = {}
    for key, tensor in network.state_dict().items():
        name, leaf = _split(key)
        layers.setdefault(name, {})[leaf] = tensor
    return layers


def published_layers(state: Mapping[str, Tensor]) -> list[Layer]:
    """Layers with weights, sorted by their positions in the published network. Raises ValueError for unknown keys."""
    layers: dict[str, Layer] = {}
    for key, tensor in state.items():
        name, _, leaf = key.rpartition(".")
        if leaf not in LEAVES:
            raise ValueError(f"key {key} is of no published network; known endings: {', '.join(LEAVES)}")
        layers.setdefault(name, {})[leaf] = tensor
    ordered = [layers[name] for name in sorted(layers, key=_position)]
    return [layer for layer in ordered if "weight" in layer or "weight_orig" in layer]


def convolution_weights(layers: list[Layer]) -> list[Tensor]:
    """Weights of the convolutions. Raises ValueError for fewer than two, which every generator has."""
    weights = [layer["weight"] for layer in layers if "weight" in layer]
    weights = [weight for weight in weights if weight.ndim == 4 and weight.numel()]
    if len(weights) < 2:
        raise ValueError(f"{len(weights)} convolutions, but every generator has more")
    return weights


def check_names(state: Mapping[str, Tensor], expected: Sequence[str]) -> None:
    """Check that the convolutions of a published state dict, and its layers in their order, are the `expected` ones.

    Raises ValueError for one that is missing and for one too many, and names it.
    """
    if missing := next((name for name in expected if f"{name}.weight" not in state), None):
        raise ValueError(f"lacks {missing}.weight, without which the network is not whole; copy or download it again")
    convolutions = {key.removesuffix(".weight") for key, tensor in state.items() if tensor.ndim == 4}
    if strange := next(iter(sorted(convolutions.difference(expected))), None):
        raise ValueError(f"has {strange}.weight, which the published network of this kind does not have")


def count_numbered(state: Mapping[str, Tensor], pattern: str, start: int = 0) -> int:
    """Count the keys that match `pattern`, whose group is a number from `start`; where numbers are left out, one more,
    so that the first one that is missing is among those counted.
    """
    found = {int(match[1]) - start for key in state if (match := re.fullmatch(pattern, key))}
    return len(found) + (max(found, default=-1) >= len(found))


def following(name: str) -> str:
    """Name of the layer after the one called `name`: the norm or activation after a convolution."""
    before, _, number = name.rpartition(".")
    return f"{before}.{int(number) + 1}"


def _position(name: str) -> tuple[int, tuple[int, ...], bool]:
    """Sort key of a layer's name: stage, the numbers from left to right, and whether it is a norm."""
    word = re.split(r"[\d.]", name, maxsplit=1)[0]
    return STAGES.get(word, 0), tuple(int(number) for number in re.findall(r"\d+", name)), word == "bn"


def _split(key: str) -> tuple[str, str]:
    """Split a key of our networks into the layer's name and the published last part."""
    for ending, leaf in SPECTRAL_NORM.items():
        if key.endswith(f".{ending}"):
            return key.removesuffix(f".{ending}"), leaf
    name, _, leaf = key.rpartition(".")
    return name, leaf


def _shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
    return {leaf: tuple(layer[leaf].shape) for leaf in LEAVES if leaf in layer}
