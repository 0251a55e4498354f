"""Unpack a .zip or .tar.gz: completely or not at all, and nothing outside its folder."""

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from i2i.progress import Progress

CHUNK = 1 << 18  # bytes
MAX_BYTES = 100 * 10**9  # unpacked; the largest published set is 8 GB packed
MAX_FILES = 1_000_000
_MAX_READ = 1 << 20  # bytes of a tar read at once: headers are read whole, so that one of 2 GB would take 2 GB

# What the readers of archives raise for a damaged one
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RecursionError,
    OSError,
)


class _BoundedGzip(gzip.GzipFile):
    """A gzip file of which no more than _MAX_READ bytes are read at once."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MAX_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


class _Member(NamedTuple):
    name: str
    kind: str  # "file", "folder", or what is refused
    size: int  # bytes, unpacked
    open: Callable[[], IO[bytes] | None]
    position: int  # bytes of the archive up to the member's end


def unpack(
    archive: Path,
    folder: Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
    progress: Progress | None = None,
) -> None:
    """Unpack a .zip or .tar.gz into the new folder `folder`, which appears only when it is complete.

    A single folder at the archive's top becomes `folder`. Raises ValueError for an absolute name, `..`, a link or a
    device, for more than `max_bytes` bytes or `max_files` entries, for a damaged archive, for a folder that exists, and
    for a disk that can't be written. `progress` counts bytes of the archive.
    """
    if folder.exists():
        raise ValueError(f"{folder}: exists already; remove it to unpack {archive.name} again")
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        content = temporary / "content"
        content.mkdir(parents=True)
        size = archive.stat().st_size
        for member in _safe_members(archive, max_bytes, max_files):
            _write(member, content)
            if progress:
                progress(member.position, size)
        top = list(content.iterdir())
        (top[0] if len(top) == 1 and top[0].is_dir() else content).rename(folder)
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno:
            raise ValueError(f"{folder}: can't be unpacked ({error.strerror})") from error
        raise ValueError(
            f"{archive}: not a complete .zip or .tar.gz ({error}); remove it and fetch it again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _safe_members(archive: Path, max_bytes: int, max_files: int) -> Iterator[_Member]:
    """The archive's members. Raises ValueError at the first one that is not safe to write."""
    members = _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)
    total = 0
    for count, member in enumerate(members, start=1):
        # Read as a Windows path too: there C:x, \x and a\..\b lead outside.
        windows = PureWindowsPath(member.name)
        if windows.anchor or ".." in windows.parts:
            raise ValueError(f"{archive}: {member.name!r} would be written outside the folder; it is not safe")
        if member.kind not in ("file", "folder"):
            raise ValueError(f"{archive}: {member.name!r} is {member.kind}; only files and folders are unpacked")
        total += member.size
        if total > max_bytes or count > max_files:
            raise ValueError(f"{archive}: unpacks to more than {max_bytes} bytes or {max_files} files; it is not safe")
        # A second folder at the top, which macOS adds for itself.
        if PurePosixPath(member.name).parts[:1] != ("__MACOSX",):
            yield member


def _zip_members(archive: Path) -> Iterator[_Member]:
    position = 0
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            position += info.compress_size
            mode = info.external_attr >> 16 & 0o170000
            kind = "folder" if info.is_dir() else "file" if mode in (0, 0o100000) else "a link or device"
            kind = "encrypted" if info.flag_bits & 1 else kind
            # `open` reads no more than the declared size, so the declared sizes are a bound.
            yield _Member(info.filename, kind, info.file_size, partial(file.open, info), position)


def _tar_members(archive: Path) -> Iterator[_Member]:
    with (
        open(archive, "rb") as raw,
        _BoundedGzip(fileobj=raw) as stream,
        tarfile.open(fileobj=stream, mode="r:") as file,
    ):
        for info in file:
            kind = "folder" if info.isdir() else "file" if info.isfile() else "a link or device"
            yield _Member(info.name, kind, info.size, partial(file.extractfile, info), raw.tell())


def _write(member: _Member, content: Path) -> None:
    target = content / member.name
    if member.kind == "folder":
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    source = member.open()
    assert source, "a plain file has content"
    with source, open(target, "wb") as file:
        shutil.copyfileobj(source, file, CHUNK)
