"""Published layouts of the StyleGAN2 discriminator, which StyleGAN3 has, too: NVIDIA's (`b4.conv.weight`) and
rosinality's (`final_conv.0.weight`, https://github.com/rosinality/stylegan2-pytorch).
"""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from i2i.interop.files import read_content
from i2i.interop.nvidia import find_nvidia, is_nvidia_pickle

_NVIDIA, _ROSINALITY = "D", "d"  # what the discriminator is called in their files of several networks
_FILTERS = ("resample_filter", "kernel")  # which ours has of its own
_NVIDIA_BLOCK = {"conv0": "residual.0", "conv1": "residual.3", "skip": "skip.1"}
_NVIDIA_LAST = {"b4.conv": "head.1", "b4.fc": "head.4", "b4.out": "head.6"}
_ROSINALITY_NAMES = (
    (r"convs\.0\.[01]", "stem.0"),
    (r"convs\.(\d+)\.conv1\.[01]", "blocks.{}.residual.0"),
    (r"convs\.(\d+)\.conv2\.[12]", "blocks.{}.residual.3"),
    (r"convs\.(\d+)\.skip\.1", "blocks.{}.skip.1"),
    (r"final_conv\.[01]", "head.1"),
    (r"final_linear\.0", "head.4"),
    (r"final_linear\.1", "head.6"),
)  # a convolution and its activation, which has the bias, are layers of their own


def read_discriminator(path: Path) -> dict[str, Tensor] | None:
    """State dict, by our names, of the StyleGAN2 discriminator in a published file; None where the file holds none.

    The file is read as data, no code in it is run. Raises ValueError for a file that is damaged.
    """
    if path.with_suffix(".param").is_file():  # of ncnn
        return None
    if is_nvidia_pickle(path):
        state = find_nvidia(path, _NVIDIA)
        return _named(state, from_nvidia=True) if state else None
    content = read_content(path)
    state = content.get(_ROSINALITY) if isinstance(content, Mapping) else None
    is_state = isinstance(state, Mapping) and all(isinstance(each, Tensor) for each in state.values())
    return _named(state, from_nvidia=False) if is_state and state else None


def _named(state: Mapping[str, Tensor], *, from_nvidia: bool) -> dict[str, Tensor]:
    largest = max((int(found[1]) for key in state if (found := re.match(r"b(\d{1,6})\.", str(key)))), default=0)
    named = {}
    for key, tensor in state.items():
        layer, _, leaf = str(key).rpartition(".")
        if leaf not in _FILTERS:
            name = _of_nvidia(layer, largest) if from_nvidia else _of_rosinality(layer)
            named[f"{name}.{leaf}"] = tensor.flatten().float() if leaf == "bias" else tensor.float()
    return named


def _of_nvidia(layer: str, largest: int) -> str:
    """Our name for a layer of theirs, or the same where there is none, in a discriminator of images of this size."""
    if found := re.fullmatch(r"mapping\.fc(\d+)", layer):
        return f"mapping.layers.{2 * int(found[1])}"
    if found := re.fullmatch(r"b(\d{1,6})\.(conv0|conv1|skip)", layer):
        return f"blocks.{largest.bit_length() - int(found[1]).bit_length()}.{_NVIDIA_BLOCK[found[2]]}"
    if layer == f"b{largest}.fromrgb":
        return "stem.0"
    return {**_NVIDIA_LAST, "mapping.embed": "mapping.embedding"}.get(layer, layer)


def _of_rosinality(layer: str) -> str:
    for pattern, name in _ROSINALITY_NAMES:
        if found := re.fullmatch(pattern, layer):
            return name.format(*(int(number) - 1 for number in found.groups()))
    return layer
