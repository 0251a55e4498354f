"""State dicts from checkpoint files of others."""

import pickle
import re
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from i2i.interop.ncnn import read_ncnn
from i2i.interop.ncnn_cugan import is_cugan, read_cugan
from i2i.interop.ncnn_span import is_span, read_span
from i2i.interop.nvidia import is_nvidia_pickle, read_nvidia

# Keys under which a state dict may lie, the moving average of the weights before the weights.
WRAPPERS = ("params_ema", "params-ema", "params", "state_dict", "model_state_dict", "model", "net")
AVERAGE = "g_ema"
DEEPEST = 8  # wrappers in wrappers
# First words of all keys: of a network on several GPUs, of a compiled one, of the generator beside other networks.
PREFIXES = ("module.", "_orig_mod.", "netG.", "net_g.", "generator.")
# A key of a network that has weights beside those whose keys begin so.
_WHOLE = "generator.gen_z.weight_orig"  # of BigGAN-deep


def read(path: Path) -> Mapping[str, Tensor]:
    """Read the state dict of a `.pth` or `.safetensors` file, without wrappers and prefixes, of an ncnn pair, or of the
    generator in a pickle of NVIDIA's. Raises ValueError for any other file.
    """
    if path.suffix == ".param" or (path.suffix == ".bin" and path.with_suffix(".param").is_file()):
        return _read_pair(path)
    if is_nvidia_pickle(path):
        return read_nvidia(path)
    state = _unwrapped(read_content(path))
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(f"{path}: not a published checkpoint, which is a dictionary of tensors and nothing else")
    return _without_prefixes({str(key): tensor for key, tensor in state.items()})


def _read_pair(path: Path) -> Mapping[str, Tensor]:
    graph = path.with_suffix(".param")
    if graph.is_file() and is_cugan(graph):
        return read_cugan(path)
    return read_span(path) if graph.is_file() and is_span(graph) else read_ncnn(path)


def read_content(path: Path) -> Any:
    """Read the content of a `.pth` or `.safetensors` file as it is. Raises ValueError for any other file."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if _is_torchscript(path):
        raise ValueError(
            f"{path}: a TorchScript program, and code of others is not run; save the state dict of its network instead"
        )
    try:
        if is_safetensors(path):
            return safetensors.torch.load_file(path)
        # A checkpoint of rosinality's training holds its options.
        with path.open("rb") as stream, torch.serialization.safe_globals([Namespace]):  # of a path it takes the suffix
            return torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the readers raise anything
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            raise ValueError(
                f"{path}: contains code ({code[1]}), but only data is loaded; save only its state dict"
            ) from error
        # Torch's message about a pickle is how to run the code in it.
        message = "" if isinstance(error, pickle.UnpicklingError) else str(error).partition("\n")[0]
        reason = message or type(error).__name__
        raise ValueError(f"{path}: no checkpoint or a damaged one ({reason}); copy or download it again") from error


def is_safetensors(path: Path) -> bool:
    """Whether a file begins like safetensors, whatever its name: the length of a JSON object, and the object."""
    with path.open("rb") as stream:
        start = stream.read(9)
    length = int.from_bytes(start[:8], "little")
    begins = start[8:] == b"{" and length < path.stat().st_size
    return begins or (path.suffix == ".safetensors" and not zipfile.is_zipfile(path))


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _unwrapped(content: Any) -> Any:
    for _ in range(DEEPEST):
        inner = _wrapped_in(content)
        if inner is None:
            break
        content = inner
    return content


def _wrapped_in(content: Any) -> Mapping[Any, Any] | None:
    """Content of a wrapper: under the first known key, or under the only one with a dictionary that has tensors."""
    if not isinstance(content, Mapping):
        return None
    inner = {key: value for key, value in content.items() if isinstance(value, Mapping) and value}
    if AVERAGE in inner:  # of StyleGAN2 by rosinality, whose mean style lies beside it
        mean = {key: value for key, value in content.items() if key == "latent_avg" and isinstance(value, Tensor)}
        return {**inner[AVERAGE], **mean}
    for wrapper in WRAPPERS:
        if wrapper in inner:
            return inner[wrapper]
    with_tensors = [value for value in inner.values() if any(isinstance(each, Tensor) for each in value.values())]
    return with_tensors[0] if len(with_tensors) == 1 else None


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without prefixes, one after another; of several networks only the generator."""
    for _ in range(DEEPEST):
        prefix = next((each for each in PREFIXES if any(key.startswith(each) for key in state)), None)
        if prefix is None or _WHOLE in state:
            break
        state = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    return state
