"""Pickles read as data: tensors, dictionaries and names; no code in them, nor named by them, is run.

A pickle is a program that calls what it names. Here the only callables that it can name build plain containers and
tensors; every other name gives a `Record`, which keeps what it was called with and does nothing.
"""

import io
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class Record:
    """An object of an unknown class: its `name`, the arguments that it was made with, its state and its items."""

    name = ""

    def __new__(cls, *arguments: Any, **_: Any) -> "Record":
        record = super().__new__(cls)
        record.arguments, record.state, record.items = arguments, None, []
        return record

    def __init__(self, *arguments: Any, **_: Any) -> None:
        self.arguments: tuple[Any, ...]
        self.state: Any
        self.items: list[Any]

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, item: Any) -> None:
        self.items.append(item)


class _Builder:
    """A callable that a pickle may name; it has no state that a pickle could set."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable[..., Any]) -> None:
        self._build = build

    def __call__(self, *arguments: Any) -> Any:
        return self._build(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("sets the state of a name")


class _Storage:
    """The numbers of tensors, in the file's own order."""

    def __init__(self, content: bytes) -> None:
        # A file of torch in the pickle, which torch reads as data only.
        stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(stored, torch.storage.TypedStorage):
            raise pickle.UnpicklingError(f"holds a {type(stored).__name__} where the numbers of a tensor belong")
        with warnings.catch_warnings(action="ignore"):  # that typed storages will go
            self.dtype, self.untyped = stored.dtype, stored.untyped()


def _tensor(storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """Raises ValueError or RuntimeError for numbers beyond the storage, and for more of them than it holds."""
    empty = torch.empty(0, dtype=storage.dtype)
    tensor = empty.set_(storage.untyped, offset, size, stride)
    if tensor.numel() * tensor.element_size() > storage.untyped.nbytes():
        raise ValueError("a tensor has more numbers than the file holds of it")
    return tensor


def _parameter(tensor: Tensor, *_: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise pickle.UnpicklingError("has a parameter that is no tensor")
    return tensor


def _encoded(text: str, encoding: str) -> bytes:
    """Bytes, as protocols 0 to 2 write them."""
    if encoding != "latin1":
        raise pickle.UnpicklingError("holds bytes in an unknown encoding")
    return str.encode(text, "latin1")


_BUILDERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _encoded,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "_load_from_bytes"): _Storage,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if (module, name) in _BUILDERS:
            return _Builder(_BUILDERS[module, name])
        return type("Record", (Record,), {"name": f"{module}.{name}", "__slots__": ()})

    def persistent_load(self, number: Any) -> Any:
        raise pickle.UnpicklingError("refers to something outside the file")


def read_pickle(path: Path) -> Any:
    """The content of a pickle of any protocol, of which unknown classes are `Record`s. Raises ValueError for a damaged
    one.
    """
    try:
        with path.open("rb") as stream:
            return _Unpickler(stream).load()
    except Exception as error:  # a damaged file makes it raise anything
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"{path}: no pickle of networks or a damaged one ({reason}); copy or download it again"
        ) from None
