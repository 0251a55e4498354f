"""State dicts from checkpoint files of others."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from i2i.interop.ncnn import read_ncnn

# Keys under which a state dict may lie, the moving average of the weights before the weights.
WRAPPERS = ("params_ema", "params-ema", "params", "state_dict", "model")
PARALLEL = "module."  # prefix of all keys of a network trained on several GPUs


def read(path: Path) -> Mapping[str, Tensor]:
    """Read the state dict of a `.pth` or `.safetensors` file, without its wrapper, or of an ncnn pair. Raises
    ValueError for any other file.
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
    except Exception as error:  # a damaged file makes the readers raise anything
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            raise ValueError(
                f"{path}: contains code ({code[1]}), but only data is loaded; save only its state dict"
            ) from error
        # Torch's message about a pickle is how to run the code in it.
        message = "" if isinstance(error, pickle.UnpicklingError) else str(error).partition("\n")[0]
        reason = message or type(error).__name__
        raise ValueError(f"{path}: no checkpoint or a damaged one ({reason}); copy or download it again") from error


def _unwrapped(content: Any) -> Any:
    if isinstance(content, Mapping):
        for wrapper in WRAPPERS:
            inner = content.get(wrapper)
            if isinstance(inner, Mapping) and inner:
                return _unwrapped(inner)
    return content
