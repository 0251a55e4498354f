"""The manifest of a folder of results: one line of JSON per image, added when it is done or has failed.

The lines stand in hidden files in that folder, one per shard. A line is added by one write, so that a killed program
leaves at most the last one unfinished; it is then left out. The newest line about a result counts: the last of a file,
and of several files that of the later run, whatever a clock says.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from i2i_runtime.card import Card
from i2i_runtime.files import printable
from i2i_runtime.folder.jobs import Job
from i2i_runtime.schema import from_facts, parse_json

_NAME, _SUFFIX = ".i2i-manifest", ".jsonl"
_LOSSLESS = (".png", ".bmp", ".tif", ".tiff")  # suffixes of results that `quality` does not change


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line: paths are relative to the two folders, checksums SHA-256, `modified` is nanoseconds, `size` the
    result's (height, width) in pixels, `finished` seconds since 1970, `run` a number above those of earlier
    runs. A file that was carried over has no `model`.

    An `error` says why there is no result, or why the one that is there is to be made again.
    """

    source: str = ""
    result: str = ""
    source_bytes: int = 0
    source_modified: int = 0
    source_checksum: str = ""
    result_bytes: int = 0
    result_checksum: str = ""
    model: Mapping[str, str] = field(default_factory=dict)
    outscale: float | None = None
    tile: int | None = None
    prepare: str = ""
    quality: int | None = None
    keep_hidden: bool = False
    size: tuple[int, ...] = ()
    milliseconds: float = 0.0
    finished: float = 0.0
    run: int = 0
    error: str = ""

    def for_job(self, job: Job) -> "Entry":
        """The same entry with the paths of a job."""
        return replace(self, source=job.name.as_posix(), result=job.result_name.as_posix())


_DEFAULTS = {each.name: each.default for each in fields(Entry)}


def model_identity(card: Card, file: str = "") -> dict[str, str]:
    """The facts that tell one model from another; `file` is the checksum of an exported one, of which there are many
    for the same weights: calibrated on other images, or with 8 bits at both ends.
    """
    facts = {name: getattr(card, name) for name in ("product", "weights", "precision", "io", "test_time")}
    return facts | ({"file": file} if file else {})


def is_same_model(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Compare two identities in what both say: a network in torch has no file, nor had the manifests of version 0.1."""
    return bool(one) == bool(other) and all(one[name] == other[name] for name in one.keys() & other.keys())


def changed_settings(old: Entry, new: Entry) -> list[str]:
    """The names of the options that make results of two entries differ, besides the model; tiles give the same."""
    names = ["outscale", "prepare", "keep_hidden"]
    if Path(old.result).suffix.lower() not in _LOSSLESS:
        names.append("quality")
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Manifest:
    """The entries of a folder, by the result's name, and a file to add new ones to. Without a folder it keeps nothing.

    `shard` is the label of this program's part, where several work on one folder: each adds to a file of its own, and
    reads them all. Raises ValueError when they cannot be read.
    """

    def __init__(self, folder: Path | None, shard: str = "") -> None:
        ordered = [] if folder is None else sorted(_read(folder), key=lambda each: each[0])
        self.entries = {entry.result: entry for _, entry in ordered}
        self._run = 1 + max((run for (run, _), _ in ordered), default=0)
        self.path = None if folder is None else folder / f"{_NAME}{shard}{_SUFFIX}"
        self._file: int | None = None

    def add(self, *entries: Entry) -> None:
        """Write lines, from any thread. Raises OSError when the disk cannot take them."""
        if self.path is None or not entries:
            return
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            _end_line(self._file)
        now = time.time()
        complete = [replace(entry, finished=now, run=self._run) for entry in entries]
        lines = "".join(json.dumps(entry_facts(entry)) + "\n" for entry in complete).encode()
        if (written := os.write(self._file, lines)) < len(lines):
            # A full disk took a part of it, and says why when it is given the rest.
            os.write(self._file, lines[written:])

    def close(self) -> None:
        """Close the file; a later `add` opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def manifest_files(folder: Path) -> list[Path]:
    """The files that make up a folder's manifest."""
    return sorted(folder.glob(f"{_NAME}*{_SUFFIX}"))


def _read(folder: Path) -> Iterator[tuple[tuple[int, float], Entry]]:
    """Each entry with its run and its time, neither of which is earlier than that of the line before."""
    for path in manifest_files(folder):
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise ValueError(f"{printable(path)}: cannot be read ({error.strerror})") from error
        order = (0, 0.0)
        for line in lines:
            try:
                entry = parse_entry(parse_json(line))
                order = max(order, (entry.run, entry.finished))
            except ValueError:
                continue  # what was being written when the program was killed
            yield order, entry


def parse_entry(facts: Any) -> Entry:
    """The entry of a line's JSON. Raises ValueError for facts that are none."""
    if not isinstance(facts, dict) or not {"source", "result"} <= facts.keys():
        raise ValueError
    known = {name: value for name, value in facts.items() if name in _DEFAULTS}  # a later version may say more
    return from_facts(Entry, known, "entry")


def entry_facts(entry: Entry) -> dict[str, Any]:
    """What a line says of an entry: all but what is left at its default."""
    found = ((name, getattr(entry, name)) for name in _DEFAULTS)
    return {name: value for name, value in found if value not in (_DEFAULTS[name], {})}


def _end_line(file: int) -> None:
    """Begin a new line after one that was cut off."""
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
