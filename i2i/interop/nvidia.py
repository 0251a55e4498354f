"""Networks in NVIDIA's pickles: StyleGAN2-ADA's and StyleGAN3's, https://github.com/NVlabs/stylegan2-ada-pytorch and
https://github.com/NVlabs/stylegan3.

Such a file holds the source text of each class, from which their own code builds it. Here that is text: only the
tensors in the modules are read, and the network is ours.
"""

import mmap
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from torch import Tensor

from i2i.interop.restricted_pickle import Record, read_pickle

_MARK = b"_reconstruct_persistent_obj"  # the name that all their objects are made by
_TENSORFLOW = b"dnnlib.tflib.network"
_DEEPEST, _MOST = 16, 10_000  # modules in modules; modules
AVERAGE = "G_ema"


def is_nvidia_pickle(path: Path) -> bool:
    """True for a pickle with objects of theirs, whatever its name."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        is_archive = content[:2] == b"PK"
        return not is_archive and (content.find(_MARK) >= 0 or content.find(_TENSORFLOW) >= 0)


def read_nvidia(path: Path, network: str = AVERAGE) -> dict[str, Tensor]:
    """The state dict of a network of a pickle: G_ema, the generator's moving average, G or D. Raises ValueError."""
    content = read_pickle(path)
    if not _holds(content, network):
        held = ", ".join(str(key)[:40] for key in content) if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(f"{path}: holds no network {network!r}; it holds {held[:200] or 'nothing'}")
    return _state_dict(path, network, content[network])


def find_nvidia(path: Path, network: str) -> dict[str, Tensor] | None:
    """The state dict of a network of a pickle, as `read_nvidia`; None where the pickle holds no such network."""
    content = read_pickle(path)
    return _state_dict(path, network, content[network]) if _holds(content, network) else None


def _holds(content: Any, network: str) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get(network), Record)


def _state_dict(path: Path, network: str, record: Record) -> dict[str, Tensor]:
    if "tflib" in record.name:
        raise ValueError(f"{path}: a network of TensorFlow; NVIDIA's legacy.py converts it to a pickle of PyTorch")
    try:
        return dict(_tensors(_state(record), "", 0, count()))
    except _Strange as error:
        raise ValueError(f"{path}: {network}: {error}; it was not written by NVIDIA's code") from None


class _Strange(ValueError):
    """Something that no module of theirs has."""


def _state(record: Any) -> Mapping[str, Any]:
    """Attributes of a module: those of a class of theirs are in the table that its builder was called with."""
    state = getattr(record, "state", None)
    if state is None and isinstance(record, Record) and len(record.arguments) == 1:
        (table,) = record.arguments
        state = dict(table).get("state") if isinstance(table, Mapping) else dict(_items(table)).get("state")
    if not isinstance(state, Mapping):
        raise _Strange("a module without attributes")
    return state


def _items(table: Any) -> list[tuple[Any, Any]]:
    pairs = table.items if isinstance(table, Record) else []
    return [pair for pair in pairs if isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)]


def _tensors(module: Mapping[str, Any], prefix: str, depth: int, visits: Iterator[int]) -> Iterator[tuple[str, Tensor]]:
    # A file may name one module at many paths.
    if depth > _DEEPEST or next(visits) > _MOST:
        raise _Strange(f"modules in modules deeper than {_DEEPEST}, or more than {_MOST} of them")
    for kind in ("_parameters", "_buffers"):
        for name, tensor in _table(module, kind):
            if isinstance(tensor, Tensor):
                yield f"{prefix}{name}", tensor
            elif tensor is not None:
                raise _Strange(f"{prefix}{name} is no tensor")
    for name, child in _table(module, "_modules"):
        yield from _tensors(_state(child), f"{prefix}{name}.", depth + 1, visits)


def _table(module: Mapping[str, Any], kind: str) -> list[tuple[str, Any]]:
    table = module.get(kind, {})
    if not isinstance(table, Mapping) or not all(isinstance(key, str) for key in table):
        raise _Strange(f"{kind} is no table of names")
    return list(table.items())
