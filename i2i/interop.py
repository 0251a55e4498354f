"""Published Pix2Pix and CycleGAN checkpoints (`latest_net_G.pth` and the like) as generators of ours.

Such a file is a bare state dict whose keys are positions in the reference implementation's nested `nn.Sequential`
(https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix): sorted by those positions, its layers come in the order in
which our networks hold theirs.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from i2i.generators import ImageGenerator
from i2i.registry import generators

LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

# Convolutions, norms and their like: what a layer of either side holds, by the last part of its keys.
Layer = dict[str, Tensor]


def load_published(path: str | Path) -> ImageGenerator:
    """The generator in a published checkpoint, `.pth` or `.safetensors`, on the CPU and in eval mode.

    The reference shows Pix2Pix in training mode (batch statistics and dropout); call `.train()` on the result for that.
    Raises ValueError for a file that is missing, truncated or something else.
    """
    path = Path(path)
    state = _read(path)
    try:
        name, options = recognise(state)
        # Built without memory: the checkpoint's tensors become the weights.
        with torch.device("meta"):
            generator = generators[name](**options)  # type: ignore[operator]
        generator.load_state_dict(rename(state, generator), assign=True)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return generator.float().eval()


def recognise(state: Mapping[str, Tensor]) -> tuple[str, dict]:
    """The registered name and the options of the generator that a published state dict belongs to.

    Told from its keys and shapes; a U-Net's do not say whether it was trained with dropout. Raises ValueError if it is
    of another kind.
    """
    if "model.model.0.weight" in state:
        name = "unet"
    elif "model.10.conv_block.1.weight" in state:
        name = "resnet"
    else:
        found = ", ".join([*map(str, state)][:3]) + ", ..." if state else "no keys at all"
        raise ValueError(
            "not a published generator: looked for the U-Net's key model.model.0.weight and the key "
            f"model.10.conv_block.1.weight of a ResNet with reflection padding; found {found}"
        )
    layers = _published_layers(state)
    convolutions = [layer for layer in layers if layer["weight"].ndim == 4]
    options = {
        "in_channels": convolutions[0]["weight"].shape[1],
        "features": convolutions[0]["weight"].shape[0],
        "norm": _recognise_norm(layers, convolutions),
    }
    last = convolutions[-1]["weight"]
    if name == "unet":
        # The last convolution is transposed: its weight is (in, out, 4, 4).
        return name, options | {"out_channels": last.shape[1], "depth": len(convolutions) // 2}
    # Dropout within a block moves its second convolution one position on.
    blocks = sum(bool(re.fullmatch(r"model\.\d+\.conv_block\.1\.weight", key)) for key in state)
    dropout = state.get("model.10.conv_block.6.weight", torch.empty(0)).ndim == 4
    return name, options | {"out_channels": last.shape[0], "blocks": blocks, "dropout": dropout}


def rename(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """A published state dict, of a generator or a discriminator, named as `network` names it, ours of equal options.

    Left out are the running statistics that instance norms of PyTorch before 0.4 kept and did not use; the counters
    that batch norms of that time lacked become 0. Raises ValueError where a layer does not match.
    """
    expected: dict[str, Layer] = {}
    for key, tensor in network.state_dict().items():
        name, _, leaf = key.rpartition(".")
        expected.setdefault(name, {})[leaf] = tensor
    layers = _published_layers(state)
    if len(layers) != len(expected):
        raise ValueError(f"{len(layers)} layers with weights, but {type(network).__name__} has {len(expected)}")
    renamed: Layer = {}
    for (name, ours), theirs in zip(expected.items(), layers, strict=True):
        if "num_batches_tracked" in ours:
            theirs = {"num_batches_tracked": torch.tensor(0)} | theirs
        if _shapes(ours) != _shapes(theirs):
            raise ValueError(f"{_shapes(theirs)} where {type(network).__name__} has {name} {_shapes(ours)}")
        renamed |= {f"{name}.{leaf}": tensor for leaf, tensor in theirs.items()}
    return renamed


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    # Whatever a damaged file makes the readers raise, there is one thing to say about it.
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"{path}: no checkpoint or a damaged one ({reason}); copy or download it again") from error
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(f"{path}: not a published checkpoint, which is a dictionary of tensors and nothing else")
    return state


def _published_layers(state: Mapping[str, Tensor]) -> list[Layer]:
    """The layers of a published state dict in the order of their positions, whatever the order of its keys."""
    layers: dict[tuple[int, ...], Layer] = {}
    for key, tensor in state.items():
        prefix, _, leaf = key.rpartition(".")
        if leaf not in LEAVES:
            raise ValueError(f"key {key} is of no published network; legal endings: {', '.join(LEAVES)}")
        position = tuple(int(part) for part in prefix.split(".") if part.isdigit())
        layers.setdefault(position, {})[leaf] = tensor
    return [layers[position] for position in sorted(layers) if "weight" in layers[position]]


def _recognise_norm(layers: list[Layer], convolutions: list[Layer]) -> str:
    # The second convolution of either generator stands in front of a norm: it has a bias only with instance norm.
    biased = "bias" in convolutions[1]
    affine = len(layers) > len(convolutions)
    if biased and affine:
        raise ValueError("instance norm with weights of its own, as in files of early 2017, is not supported")
    return "instance" if biased else "batch" if affine else "none"


def _shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
    return {leaf: tuple(layer[leaf].shape) for leaf in LEAVES if leaf in layer}
