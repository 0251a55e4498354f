"""A mirror of a remote tree: a folder on this machine whose files are empty until they are fetched.

File systems are fsspec's (https://filesystem-spec.readthedocs.io), and raise whatever their libraries do.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote

from i2i_runtime.files import printable, temporary_path, write_atomically
from i2i_runtime.images import is_image

# Stores of objects: a file appears when it is whole, one call lists all files below a folder, folders need not be made.
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "oss", "tos"}
_WEB = {"http", "https"}
_TIME_KEYS = ("mtime", "LastModified", "last_modified", "Last-Modified", "updated", "modified", "created")


def is_remote(place: Path | str) -> bool:
    """Whether a place is a URL, and not one of a file on this machine."""
    return isinstance(place, str) and "://" in place and not place.startswith(("file://", "local://"))


def local_path(place: Path | str) -> Path:
    """The path of a place that is not remote."""
    return Path(place if isinstance(place, Path) else place.removeprefix("file://").removeprefix("local://"))


def reason(error: BaseException) -> str:
    """The message of a file system's error, shortened to one line."""
    if isinstance(error, FileNotFoundError):
        cause = error.__cause__
        return "no such file or folder" if cause is None or isinstance(cause, FileNotFoundError) else reason(cause)
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split())[:200] or type(error).__name__


class Mirror:
    """A folder `local`, below `staging`, that stands for the remote tree at `url`; trees that overlap do so there too.

    Raises ValueError that names the missing package where none that is installed knows the URL.
    """

    def __init__(self, url: str, staging: Path) -> None:
        self.url = url.rstrip("/")
        self._files, self._root = _open_filesystem(self.url)
        self._protocols = {self._files.protocol} if isinstance(self._files.protocol, str) else {*self._files.protocol}
        self._base = staging / min(self._protocols)
        self.local = self._path(self._root)
        self._keys: dict[Path, str] = {}
        # Libraries that are not asynchronous do not say that threads may share a connection.
        self._lock: AbstractContextManager[Any] = nullcontext() if self._files.async_impl else Lock()

    def populate(self, transfers: Executor) -> None:
        """Make an empty file for each file that is there now. Raises ValueError where the tree cannot be listed."""
        try:
            self._files.invalidate_cache()
            found = dict(self._list())
            without_size = [key for key, facts in found.items() if facts.get("size") is None]
            found |= dict(zip(without_size, transfers.map(self._facts, without_size), strict=True))
        except Exception as error:
            raise ValueError(f"{self.url}: cannot be listed ({reason(error)})") from error
        for key, facts in found.items():
            path = self._path(key)
            self._keys[path] = key
            try:
                _make_empty(path, facts.get("size") or 0, _modification_time(facts))
            except OSError as error:
                raise ValueError(f"{self.url}: {key!r} cannot be a path here ({error.strerror})") from error

    def check_writable(self, folder: Path) -> None:
        """Write a file to a folder, and delete it. Raises ValueError."""
        folder.mkdir(parents=True, exist_ok=True)
        probe = temporary_path(folder / "probe")
        probe.touch()
        try:
            if self._protocols & _WEB:
                raise ValueError("the web is to be read only")
            self.upload(probe)
        except Exception as error:
            raise ValueError(f"{printable(folder)}: cannot be written to ({reason(error)})") from error
        self.remove(probe)

    def fetch(self, path: Path) -> None:
        """Download the contents of a file of the mirror, which keeps its time. Raises whatever the file system does."""
        modified = path.stat().st_mtime_ns
        with write_atomically(path) as temporary:
            with self._lock:
                self._files.get_file(self._keys[path], str(temporary))
            os.utime(temporary, ns=(modified, modified))

    def upload(self, path: Path) -> None:
        """Upload a file of the mirror, which appears whole or not at all. Raises whatever the file system does."""
        key = self._key(path)
        with self._lock:
            if self._protocols & _OBJECT_STORES:
                self._files.put_file(str(path), key)
                return
            part = self._key(temporary_path(path))
            self._files.makedirs(part.rpartition("/")[0], exist_ok=True)
            try:
                self._files.put_file(str(path), part)
                self._files.mv(part, key)
            except BaseException:
                with suppress(Exception):
                    self._files.rm_file(part)
                raise

    def remove(self, path: Path) -> None:
        """Delete a file of the mirror and, where that is allowed, the remote one."""
        self.evict(path)
        with self._lock, suppress(Exception):
            self._files.rm_file(self._key(path))

    def evict(self, path: Path) -> None:
        """Delete a file of the mirror, but not the remote one."""
        with suppress(OSError):
            path.unlink()

    def _list(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """All files by their keys, with facts; none where there is nothing. Raises whatever the file system does."""
        if is_image(Path(self._root)):
            with suppress(FileNotFoundError):
                facts = self._files.info(self._root)
                if facts["type"] == "file":
                    yield self._root, facts
                    return
        if self._protocols & _OBJECT_STORES:
            yield from self._files.find(self._root, detail=True).items()
            return
        # Not find, which leaves out a folder that it fails to list.
        folders = self._files.walk(self._root, detail=True, on_error="raise")
        try:
            start = [next(folders)]
        except (FileNotFoundError, StopIteration):
            return
        for _, _, files in chain(start, folders):
            yield from ((facts["name"], facts) for facts in files.values() if not self._is_query(facts["name"]))

    def _is_query(self, key: str) -> bool:
        """Web servers' pages of a folder link to themselves in another order."""
        return bool(self._protocols & _WEB) and "?" in key

    def _facts(self, key: str) -> Mapping[str, Any]:
        try:
            return self._files.info(key)
        except FileNotFoundError:
            return {}  # fetching it has a message

    def _path(self, key: str) -> Path:
        parts = [unquote(part) if self._protocols & _WEB else part for part in key.split("/") if part]
        if ".." in parts or any("/" in part for part in parts):
            raise ValueError(f"{self.url}: {key!r} cannot be a path here")
        return self._base.joinpath(*parts)

    def _key(self, path: Path) -> str:
        return self._root[: self._root.startswith("/")] + path.relative_to(self._base).as_posix()


def _open_filesystem(url: str) -> tuple[Any, str]:
    """The file system of a URL, by fsspec, and the path in it."""
    protocol = url.partition("://")[0].rpartition("::")[2]
    try:
        from fsspec.core import url_to_fs
        from fsspec.registry import available_protocols, known_implementations
    except ImportError:
        raise ValueError(f"{url}: remote trees need fsspec: pip install fsspec") from None
    try:
        return url_to_fs(url)
    except ImportError as error:
        package = known_implementations[protocol]["class"].partition(".")[0]
        hint = error if package == "fsspec" else f"needs another package: pip install {package}"
        raise ValueError(f"{url}: {hint}") from error
    except Exception as error:
        if protocol not in available_protocols():
            choices = "s3, gs, az, https, sftp and what else fsspec knows"
            raise ValueError(f"{url}: protocol {protocol!r} is not known; choose from: {choices}") from None
        raise ValueError(f"{url}: cannot be reached ({reason(error)})") from error


def _make_empty(path: Path, size: int, modified: int) -> None:
    """Make a sparse file of a size, unless it is there; the time is in nanoseconds since 1970."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with open(path, "xb") as stream:
            stream.truncate(size)
        os.utime(path, ns=(modified, modified))


def _modification_time(facts: Mapping[str, Any]) -> int:
    """A time in nanoseconds since 1970, by which a file that has changed is known; 0 where there is none."""
    for name in _TIME_KEYS:
        value = facts.get(name)
        with suppress(ValueError):
            if isinstance(value, str):
                value = parsedate_to_datetime(value) if "," in value else datetime.fromisoformat(value)
            if isinstance(value, datetime):
                value = value.timestamp()
            if isinstance(value, int | float):
                return int(value * 10**6) * 1000
    # Not a time, but another number for other contents.
    return zlib.crc32(str(facts["ETag"]).encode()) * 10**9 if facts.get("ETag") else 0
