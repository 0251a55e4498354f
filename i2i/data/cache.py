"""Where downloads are kept, and how one process at a time makes what is not there yet."""

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
    """Where things of a kind are kept: $I2I_DATA, $I2I_WEIGHTS, or i2i/KIND in the user's cache folder (~/.cache but
    on Windows).
    """
    if own := os.environ.get(_variable(kind)):
        return Path(own).expanduser()
    caches = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return Path(caches or Path.home() / ".cache") / "i2i" / kind


@contextmanager
def exclusive_lock(target: Path, kind: Kind) -> Iterator[None]:
    """Let one process at a time make `target`; the others wait. Without fcntl (Windows) nobody waits.

    Raises ValueError where nothing can be written.
    """
    lock = target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        place = f"${_variable(kind)}"
        raise ValueError(f"{lock}: can't be written ({error.strerror}); name another folder in {place}") from error
    with open(lock) as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _variable(kind: Kind) -> str:
    return f"I2I_{kind.upper()}"
