"""Checkpoint files of others, as state dicts."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from i2i.interop.ncnn import read_ncnn

# What a state dict is wrapped in, the average of the weights before the weights themselves.
WRAPPERS = ("params_ema", "params-ema", "params", "state_dict", "model")
PARALLEL = "module."  # before every key of a network that was trained on several GPUs


def read(path: Path) -> Mapping[str, Tensor]:
    """The state dict in a `.pth` or `.safetensors` file, without its wrapper, or in a pair of ncnn's. Raises ValueError
    if there is none.
    """
    if path.suffix == ".param" or (path.suffix == ".bin" and path.with_suffix(".param").is_file()):
        return read_ncnn(path)
    state = _unwrapped(_content(path))
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(f"{path}: not a published checkpoint, which is a dictionary of tensors and nothing else")
    return {str(key).removeprefix(PARALLEL): tensor for key, tensor in state.items()}


def _content(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    # Whatever a damaged file makes the readers raise, there is one thing to say about it.
    except Exception as error:
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            raise ValueError(
                f"{path}: asks for {code[1]} to be run, but only data is loaded; save its state dict alone"
            ) from error
        # What torch says of a pickle is how to run what is in it.
        said = "" if isinstance(error, pickle.UnpicklingError) else str(error).partition("\n")[0]
        reason = said or type(error).__name__
        raise ValueError(f"{path}: no checkpoint or a damaged one ({reason}); copy or download it again") from error


def _unwrapped(content: Any) -> Any:
    if isinstance(content, Mapping):
        for wrapper in WRAPPERS:
            inner = content.get(wrapper)
            if isinstance(inner, Mapping) and inner:
                return _unwrapped(inner)
    return content
