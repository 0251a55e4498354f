"""A lock on a folder of results: no two processes work on the same files, or put results of two models in one folder.

The kernel frees the lock when its process ends, however that ends. On file systems without locks, the process and the
machine that the file names stand for it.
"""

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from math import gcd
from pathlib import Path
from typing import Any

from i2i_runtime.files import printable
from i2i_runtime.folder.jobs import Shard
from i2i_runtime.folder.manifest import Entry, changed_settings, entry_facts, is_same_model, parse_entry

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME = ".i2i-lock"
# Another process that looks whether a lock is held holds it itself for a moment.
_ATTEMPTS, _PAUSE = 10, 0.02  # seconds


@contextmanager
def lock_folder(folder: Path | None, shard: Shard, template: Entry, *, mix: bool) -> Iterator[None]:
    """Keep other processes from the files of a shard, by a file in the folder for as long as the block runs.

    `template` is an entry of this run; with `mix`, processes with other models or settings may have other shards. None
    is a folder without a manifest, which needs no lock. Raises ValueError, naming the process, where one is in the way,
    and where the file cannot be made.
    """
    if folder is None:
        yield
        return
    path = folder / f"{_NAME}{shard.label}"
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "shard": [shard.index, shard.count]}
    file = _acquire(path, json.dumps(owner | {"work": entry_facts(template)}))
    try:
        _check_others(path, shard, None if mix else template)
        yield
    finally:
        if fcntl is None:  # Windows removes no open file
            os.close(file)
        with suppress(OSError):
            path.unlink()
        if fcntl is not None:  # only then, or the file that is removed might be another process's by now
            os.close(file)


def _acquire(path: Path, text: str) -> int:
    """The open file of a lock that this process holds now. Raises ValueError."""
    for _ in range(_ATTEMPTS):
        try:
            file, is_new = _open(path)
        except FileNotFoundError:
            continue  # it was removed just now
        except OSError as error:
            advice = "; delete it" if path.exists() else ""  # of another user, who has ended
            raise ValueError(f"{printable(path)}: cannot be written ({error.strerror}{advice})") from error
        held = _try_lock(file)
        if held is None:
            held = is_new or not _is_alive(_read(path))
        # Its last owner may have removed the file since it was opened; a lock on that is worth nothing.
        if held and path.exists() and os.path.samestat(os.fstat(file), path.stat()):
            with suppress(OSError):  # a full disk, on which there is nothing to write but words
                os.ftruncate(file, 0)
                os.write(file, text.encode())
            return file
        os.close(file)
        time.sleep(_PAUSE)
    raise ValueError(_sentence(path, "translates the same files"))


def _open(path: Path) -> tuple[int, bool]:
    """The file, and whether it was not there before. Raises OSError."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
    except FileExistsError:
        return os.open(path, os.O_RDWR), False


def _try_lock(file: int) -> bool | None:
    """Whether the lock is this process's now; None where the file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _check_others(own: Path, shard: Shard, template: Entry | None) -> None:
    """Raises ValueError where a process has a shard with files of this one, or works with another model or settings."""
    for path in own.parent.glob(f"{_NAME}*"):
        if path == own or not _is_held(path):
            continue
        owner = _read(path)
        index, count = owner.get("shard", (0, 1))
        common = gcd(count, shard.count)
        if index % common == shard.index % common:
            raise ValueError(_sentence(path, "translates files of this shard too"))
        if template is not None and not _is_same_work(owner, template):
            raise ValueError(_sentence(path, "translates into it with another model or other settings"))


def _is_same_work(owner: Mapping[str, Any], template: Entry) -> bool:
    try:
        work = parse_entry({"source": "", "result": ""} | owner["work"])
    except (KeyError, TypeError, ValueError):
        return False
    return is_same_model(work.model, template.model) and not changed_settings(work, template)


def _is_held(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        held = _try_lock(file)
        return _is_alive(_read(path)) if held is None else not held
    finally:
        os.close(file)


def _read(path: Path) -> Mapping[str, Any]:
    """The owner that a file names; nothing where it names none."""
    with suppress(OSError, ValueError, RecursionError):
        owner = json.loads(path.read_bytes())
        if isinstance(owner, dict) and isinstance(owner.get("pid"), int) and _is_shard(owner.get("shard")):
            return owner
    return {}


def _is_shard(value: object) -> bool:
    match value:
        case [int(index), int(count)]:
            return 0 <= index < count
    return False


def _is_alive(owner: Mapping[str, Any]) -> bool:
    """Whether an owner may still run: another machine's may."""
    if not owner or owner.get("host") != socket.gethostname() or os.name == "nt":  # where signal 0 ends the process
        return bool(owner)
    try:
        os.kill(owner["pid"], 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # somebody else's
    return True


def _sentence(path: Path, what: str) -> str:
    owner = _read(path)
    who = f"process {owner['pid']} on {owner.get('host')}" if owner else "another process"
    cannot_be_looked_up = owner and (owner.get("host") != socket.gethostname() or os.name == "nt")
    advice = "wait for its end, or choose another folder (--shard 0/2 and 1/2 share one)"
    stale = f"; if it runs no more, delete {path.name} there" if cannot_be_looked_up else ""
    return f"{printable(path.parent)}: {who} {what}; {advice}{stale}"
