"""Which file becomes which: the images of a tree to translate, and the files to take along as they are."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import NamedTuple

from i2i_runtime import images
from i2i_runtime.files import printable
from i2i_runtime.images import SUFFIXES


class Job(NamedTuple):
    """`name` is the source's, `made` the result's, relative to their folders. What `is_carried` is not translated."""

    name: Path
    source: Path
    made: Path
    result: Path
    is_carried: bool = False


@dataclass(frozen=True)
class Shard:
    """One part of a tree, by a hash of the name: the same on every machine, whatever else is in the tree."""

    index: int = 0
    number: int = 1

    @property
    def label(self) -> str:
        """For names of files; nothing for the only part."""
        return f"-{self.index}-of-{self.number}" if self.number > 1 else ""

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From "0/4", the first of four, to "3/4". Raises ValueError for anything else."""
        index, _, number = text.partition("/")
        if not (index.isdecimal() and number.isdecimal() and int(index) < int(number)):
            raise ValueError(f"shard: {text!r} is refused; allowed: 0/4, the first of four, to 3/4, the last")
        return cls(int(index), int(number))

    def has(self, name: Path) -> bool:
        digest = hashlib.blake2b(os.fsencode(name.as_posix()), digest_size=8).digest()
        return int.from_bytes(digest) % self.number == self.index


def plan(source: Path, target: Path, *, carry: Sequence[str] = (), format: str | None = None) -> list[Job]:
    """What is to be made of what, images first. Raises ValueError where that cannot be.

    `carry` are patterns for paths under the source, in which `**` is any number of folders; what matches is carried,
    also if it is an image. `format` is the results' suffix, without the dot.
    """
    suffix = None if format is None else f".{format.lower().removeprefix('.')}"
    if suffix is not None and suffix not in SUFFIXES:
        raise ValueError(f"format: {format!r} is refused; choose from: {', '.join(each[1:] for each in SUFFIXES)}")
    if not source.exists():
        raise ValueError(f"{printable(source)}: no such file or folder")
    if source.is_dir():
        carried = _carried(source, carry)
        names = [name for name in images.list_images(source) if name not in carried]
        if not names and not carried:
            raise ValueError(f"{printable(source)}: no images in this folder; choose from: {', '.join(SUFFIXES)}")
        made = [name.with_suffix(suffix) if suffix else name for name in names]
        jobs = [Job(name, source / name, result, target / result) for name, result in zip(names, made, strict=True)]
        jobs += [Job(name, source / name, name, target / name, is_carried=True) for name in sorted(carried)]
        _check_distinct(jobs)
    elif carry:
        raise ValueError(f"carry: {printable(source)} is one file; allowed with a folder only")
    else:
        named = images.is_image(target) and not target.is_dir()
        result = target if named else target / (source.with_suffix(suffix) if suffix else source).name
        jobs = [Job(Path(source.name), source, Path(result.name), result)]
    _check_outside(jobs, source, target)
    return jobs


def folder_of(jobs: Sequence[Job], target: Path) -> Path:
    """The folder that the results are relative to."""
    return target if jobs[0].result == target / jobs[0].made else target.parent


def _check_outside(jobs: Sequence[Job], source: Path, target: Path) -> None:
    inside = source.resolve() if source.is_dir() else source.parent.resolve() / source.name
    real = folder_of(jobs, target).resolve()
    if any((real / job.made).is_relative_to(inside) for job in jobs):
        raise ValueError(f"{printable(target)}: lies in the source, {printable(source)}; choose another target")


def _check_distinct(jobs: Iterable[Job]) -> None:
    by_result: dict[Path, Path] = {}
    for job in jobs:
        other = by_result.setdefault(job.made, job.name)
        if other != job.name:
            raise ValueError(
                f"format: {printable(other)} and {printable(job.name)} would both become {printable(job.made)}"
            )


def _carried(folder: Path, patterns: Sequence[str]) -> set[Path]:
    """The files that match. Raises ValueError for a pattern that nothing matches."""
    files = list(_files(folder)) if patterns else []
    found = {pattern: {name for name in files if _matches(name.parts, PurePath(pattern).parts)} for pattern in patterns}
    for pattern, names in found.items():
        if not names:
            hint = f"; a whole folder is '{pattern}/**'" if (folder / pattern).is_dir() else ""
            raise ValueError(f"carry: {pattern!r} matches no file in {printable(folder)}{hint}")
    return set().union(*found.values())


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _matches(parts, pattern[1:]) or (bool(parts) and _matches(parts[1:], pattern))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _files(folder: Path) -> Iterator[Path]:
    """All files under a folder, relative to it, but hidden ones; links are followed as `list_images` does."""
    above: dict[str, tuple[str, ...]] = {os.fspath(folder): (os.path.realpath(folder),)}
    for here, folders, names in os.walk(folder, followlinks=True):
        real = {name: os.path.realpath(os.path.join(here, name)) for name in folders}
        folders[:] = [name for name in folders if not name.startswith(".") and real[name] not in above[here]]
        above |= {os.path.join(here, name): (*above[here], real[name]) for name in folders}
        yield from (Path(here, name).relative_to(folder) for name in names if not name.startswith("."))
