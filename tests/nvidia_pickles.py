"""Pickles as NVIDIA's code writes them: class names of theirs, source text inside, random weights."""

import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

SOURCE = "import os\nos.system('touch ran')\nraise RuntimeError('the source in the file was run')\n"


@contextmanager
def their_modules() -> Iterator[types.ModuleType]:
    """Their module of the function that rebuilds an object, while a pickle is written."""
    names = ["torch_utils", "torch_utils.persistence"]
    modules = {name: types.ModuleType(name) for name in names}
    rebuild = types.FunctionType((lambda meta: meta).__code__, {}, "_reconstruct_persistent_obj")
    rebuild.__module__ = rebuild.__qualname__ = "torch_utils.persistence"
    rebuild.__qualname__ = "_reconstruct_persistent_obj"
    modules[names[1]]._reconstruct_persistent_obj = rebuild  # type: ignore[attr-defined]
    sys.modules.update(modules)
    try:
        yield modules[names[1]]
    finally:
        for name in names:
            del sys.modules[name]


class Persistent:
    """A module of theirs: its class's name, and the attributes that `nn.Module` keeps."""

    def __init__(self, name: str) -> None:
        self.name, self.parameters, self.buffers, self.modules = name, OrderedDict(), OrderedDict(), OrderedDict()

    def __reduce__(self) -> Any:
        state = {
            "training": False,
            "_parameters": self.parameters,
            "_buffers": self.buffers,
            "_modules": self.modules,
            "_init_args": (),
            "_init_kwargs": {"sampling": frozenset({1})},
        }
        meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": self.name, "state": state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,), None


def persistent(
    state: dict[str, Tensor], buffers: tuple[str, ...] = ("w_avg", "noise_const", "_ema", "filter", "freqs", "phases")
) -> Persistent:
    """A network of theirs with this state dict, by their keys."""
    root = Persistent("Generator")
    for key, tensor in state.items():
        *path, leaf = key.split(".")
        module = root
        for name in path:
            module = module.modules.setdefault(name, Persistent("SynthesisLayer"))
        if leaf.endswith(buffers):
            module.buffers[leaf] = tensor
        else:
            module.parameters[leaf] = nn.Parameter(tensor, requires_grad=False)
    return root


def write(path: Path, content: Any, protocol: int = 4) -> Path:
    with their_modules(), path.open("wb") as stream:
        pickle.dump(content, stream, protocol=protocol)
    return path


def published(state: dict[str, Tensor], path: Path, protocol: int = 4) -> Path:
    """A file of a generator, its average and other things."""
    content = {"training_set_kwargs": {"path": "x"}, "G": None, "augment_pipe": None, "G_ema": persistent(state)}
    return write(path, content, protocol)
