"""The cache of downloads, and the lock by which one process at a time fills an entry of it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Literal

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:
    fcntl = None


Kind = Literal["data", "weights", "features"]


def cache_folder(kind: Kind) -> Path:
    """The folder of downloads: $I2I_DATA, $I2I_WEIGHTS, or i2i/KIND in the user's cache folder (~/.cache on Linux)."""
    if chosen := os.environ.get(f"I2I_{kind.upper()}"):
        return Path(chosen).expanduser()
    caches = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return Path(caches or Path.home() / ".cache") / "i2i" / kind


@contextmanager
def exclusive_lock(target: Path, kind: Kind) -> Iterator[None]:
    """A lock held by one process at a time while it creates `target`; on Windows, without fcntl, by any number.

    Raises ValueError where the folder of `target` can't be written.
    """
    lock = target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        raise ValueError(
            f"{lock}: can't be written ({error.strerror}); name another folder in $I2I_{kind.upper()}"
        ) from error
    with open(lock) as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
