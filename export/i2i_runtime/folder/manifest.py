"""What was made of what in a folder of results: one line of JSON per image, added when it is done or has failed.

The lines stand in hidden files in that folder, one per shard. A line is added by one write, so that a killed program
leaves at most the last one unfinished; it is then left out. The newest line about a result counts.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, BinaryIO

from i2i_runtime.card import Card
from i2i_runtime.files import open_regular_file, printable, read_errors

_NAME, _SUFFIX = ".i2i-manifest", ".jsonl"
_PIECE = 2**20  # bytes that are read at a time


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line: paths are relative to the two folders, checksums SHA-256, `modified` is nanoseconds, `size` the
    result's (height, width) in pixels, `finished` seconds since 1970. A file that was carried has no `model`.

    An `error` says why there is no result, or why the one that is there is to be made again.
    """

    source: str
    result: str
    source_bytes: int = 0
    source_modified: int = 0
    source_checksum: str = ""
    result_bytes: int = 0
    result_checksum: str = ""
    model: Mapping[str, str] = field(default_factory=dict)
    outscale: float | None = None
    tile: int | None = None
    size: tuple[int, ...] = ()
    milliseconds: float = 0.0
    finished: float = 0.0
    error: str = ""


_DEFAULTS = {each.name: each.default for each in fields(Entry)}


def model_of(card: Card) -> dict[str, str]:
    """What tells one model from another: two that differ here give different results."""
    return {
        "product": card.product,
        "weights": card.weights,
        "precision": card.precision,
        "test_time": card.test_time,
    }


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError."""
    with open(path, "rb") as stream:
        return _checksum(stream)


def source_facts(path: Path) -> dict[str, Any]:
    """The entries about a source. Raises ValueError, naming the file, when it cannot be read."""
    with read_errors(path), open_regular_file(path) as stream:
        status = os.fstat(stream.fileno())  # before the contents: what changes meanwhile looks changed the next time
        return {
            "source_bytes": status.st_size,
            "source_modified": status.st_mtime_ns,
            "source_checksum": _checksum(stream),
        }


def _checksum(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


class Manifest:
    """The entries in a folder, by the result's name, and where new ones go. Without a folder it keeps nothing.

    `part` is for several programs on one folder: each adds to a file of its own, and reads them all. Raises ValueError
    when they cannot be read.
    """

    def __init__(self, folder: Path | None, part: str = "") -> None:
        self.entries: dict[str, Entry] = {}
        self._file: int | None = None
        self.path = None if folder is None else folder / f"{_NAME}{part}{_SUFFIX}"
        if folder is not None:
            for entry in sorted(_read(folder), key=lambda entry: entry.finished):
                self.entries[entry.result] = entry

    def add(self, *entries: Entry) -> None:
        """Write lines, from any thread. Raises OSError when the disk cannot take them."""
        if self.path is None or not entries:
            return
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            _end_line(self._file)
        now = time.time()
        lines = "".join(json.dumps(_stated(replace(entry, finished=now))) + "\n" for entry in entries).encode()
        if (written := os.write(self._file, lines)) < len(lines):
            # A full disk took a part of it, and says why when it is given the rest.
            os.write(self._file, lines[written:])

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def parts_of(folder: Path) -> list[Path]:
    """The files of a folder's manifest."""
    return sorted(folder.glob(f"{_NAME}*{_SUFFIX}"))


def _read(folder: Path) -> Iterator[Entry]:
    for path in parts_of(folder):
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise ValueError(f"{printable(path)}: cannot be read ({error.strerror})") from error
        for line in lines:
            try:
                yield _entry(json.loads(line))
            except (ValueError, TypeError):
                continue  # what was being written when the program was killed


def _entry(facts: Any) -> Entry:
    """Raises TypeError for what no line of a manifest says."""
    if (
        not isinstance(facts, dict)
        or not isinstance(facts.get("source"), str)
        or not isinstance(facts.get("result"), str)
    ):
        raise TypeError
    known = {name: value for name, value in facts.items() if name in _DEFAULTS}  # a later version may say more
    return Entry(**known | {"size": tuple(facts.get("size", ()))})


def _stated(entry: Entry) -> dict[str, Any]:
    """Without what is the default."""
    found = ((name, getattr(entry, name)) for name in _DEFAULTS)
    return {name: value for name, value in found if value not in (_DEFAULTS[name], {})}


def _end_line(file: int) -> None:
    """Begin a new line after one that was cut off."""
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
