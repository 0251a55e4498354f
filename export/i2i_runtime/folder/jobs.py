"""The jobs of a folder: which file becomes which, by translating it or by carrying it over as it is."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePath
from typing import NamedTuple

from i2i_runtime.files import printable
from i2i_runtime.images import FILM_SUFFIXES, SUFFIXES, UNREAD_SUFFIXES, is_image, list_files, list_images

_LABELS = re.compile("(.*_)?(labels?|masks?|annotations?)", re.IGNORECASE)  # names of folders of label maps


class Job(NamedTuple):
    """One file to translate, or to carry over (`is_carried`): its source and its result.

    `name` and `result_name` are relative to the folders of the sources and of the results.
    """

    name: Path
    source: Path
    result_name: Path
    result: Path
    is_carried: bool = False


# A job, with the reason why it has no result.
Outcome = tuple[Job, BaseException | None]


@dataclass(frozen=True)
class Shard:
    """One of `count` parts of a folder, by a hash of the name: the same on every machine, whatever else is there."""

    index: int = 0
    count: int = 1

    @property
    def label(self) -> str:
        """The shard as a part of a file's name; empty for the only one."""
        return f"-{self.index}-of-{self.count}" if self.count > 1 else ""

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard of "0/4", the first of four, to "3/4". Raises ValueError for anything else."""
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise ValueError(f"shard: {text!r} is refused; allowed: 0/4, the first of four, to 3/4, the last")
        return cls(int(index), int(count))

    def contains(self, name: Path) -> bool:
        """Whether a file, by its name in the folder, belongs to the shard."""
        digest = hashlib.blake2b(os.fsencode(name.as_posix()), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.index


def plan_jobs(source: Path, target: Path, *, carry: Sequence[str] = (), format: str | None = None) -> list[Job]:
    """The jobs of a folder or of one image, images first. Raises ValueError where there are none or they collide.

    `carry` are patterns for paths under the source, in which `**` is any number of folders; what matches is carried
    over, also if it is an image. `format` is the results' suffix, without the dot.
    """
    suffix = _suffix(format)
    _check_no_film(source, target)
    if not source.exists():
        raise ValueError(f"{printable(source)}: no such file or folder")
    if source.is_dir():
        jobs = _jobs_of_folder(source, target, carry, suffix)
    elif carry:
        raise ValueError(f"carry: {printable(source)} is one file; allowed with a folder only")
    else:
        jobs = [_job_of_image(source, target, suffix)]
    _check_outside(jobs, source, target)
    return jobs


def result_folder(jobs: Sequence[Job], target: Path) -> Path:
    """The folder that the results' names are relative to: the target, or the parent of a target that is a file."""
    return target if jobs[0].result == target / jobs[0].result_name else target.parent


def warnings(source: Path, carry: Sequence[str]) -> list[str]:
    """Sentences about files of a folder that are not translated, and about label maps that are."""
    if not source.is_dir():
        return []
    patterns = [PurePath(pattern).parts for pattern in carry]
    files = [name for name in list_files(source) if not any(_matches(name.parts, each) for each in patterns)]
    unread = Counter(name.suffix.lower() for name in files if name.suffix.lower() in UNREAD_SUFFIXES)
    sentences = []
    if unread:
        counts = ", ".join(f"{count:,} {suffix}" for suffix, count in unread.most_common())
        sentences.append(f"not translated, since they are not read: {counts} files; convert them, or --carry them")
    labels = [name for name in files if is_image(name) and any(_LABELS.fullmatch(part) for part in name.parts[:-1])]
    if labels:
        sentences.append(
            f"{len(labels):,} images in folders of labels are translated as photos, such as {printable(labels[0])};"
            f" --carry '**/{labels[0].parent.name}/**' copies them as they are"
        )
    return sentences


def _check_no_film(*paths: Path) -> None:
    for path in paths:
        if path.suffix.lower() in FILM_SUFFIXES and not path.is_dir():
            raise ValueError(
                f"{printable(path)}: films are not translated; pipe raw frames through `stream`, whose --help shows "
                "how, or cut the film into images"
            )


def _suffix(format: str | None) -> str | None:
    suffix = None if format is None else f".{format.lower().removeprefix('.')}"
    if suffix is not None and suffix not in SUFFIXES:
        raise ValueError(f"format: {format!r} is refused; choose from: {', '.join(each[1:] for each in SUFFIXES)}")
    return suffix


def _jobs_of_folder(source: Path, target: Path, carry: Sequence[str], suffix: str | None) -> list[Job]:
    carried = _find_carried(source, carry)
    names = [name for name in list_images(source) if name not in carried]
    if not names and not carried:
        raise ValueError(f"{printable(source)}: no images in this folder; choose from: {', '.join(SUFFIXES)}")
    results = [name.with_suffix(suffix) if suffix else name for name in names]
    jobs = [Job(name, source / name, result, target / result) for name, result in zip(names, results, strict=True)]
    jobs += [Job(name, source / name, name, target / name, is_carried=True) for name in sorted(carried)]
    _check_distinct(jobs)
    return jobs


def _job_of_image(source: Path, target: Path, suffix: str | None) -> Job:
    target_is_file = is_image(target) and not target.is_dir()
    result = target if target_is_file else target / (source.with_suffix(suffix) if suffix else source).name
    return Job(Path(source.name), source, Path(result.name), result)


def _check_outside(jobs: Sequence[Job], source: Path, target: Path) -> None:
    """Raise ValueError where a result lies in the source, or is one of its files, once all links are followed."""
    real = cache(os.path.realpath)  # of folders, which many files share
    inside = (os.path.join(real(source), ""),) if source.is_dir() else ()
    originals = {
        real(job.source) if job.source.is_symlink() else _join(real(job.source.parent), job.source) for job in jobs
    }
    for job in jobs:
        folder, result = job.result.parent, _join(real(job.result.parent), job.result)
        if result.startswith(inside) or result in originals:
            where = folder if target in folder.parents and folder.is_symlink() else target
            raise ValueError(f"{printable(where)}: lies in the source, {printable(source)}; choose another target")


def _join(folder: str, file: Path) -> str:
    return os.path.join(folder, file.name)


def _check_distinct(jobs: Iterable[Job]) -> None:
    by_result: dict[Path, Path] = {}
    for job in jobs:
        if (other := by_result.setdefault(job.result_name, job.name)) != job.name:
            both = f"{printable(other)} and {printable(job.name)}"
            raise ValueError(f"format: {both} would both become {printable(job.result_name)}")


def _find_carried(folder: Path, patterns: Sequence[str]) -> set[Path]:
    """The files that match. Raises ValueError for a pattern that nothing matches."""
    files = list_files(folder) if patterns else []
    found = {pattern: {name for name in files if _matches(name.parts, PurePath(pattern).parts)} for pattern in patterns}
    for pattern, names in found.items():
        if not names:
            anywhere = f"**/{pattern}"
            hint = f"; a whole folder is '{pattern}/**'" if (folder / pattern).is_dir() else ""
            if any(_matches(name.parts, PurePath(anywhere).parts) for name in files):
                hint = f"; in folders further down it is '{anywhere}'"
            raise ValueError(f"carry: {pattern!r} matches no file in {printable(folder)}{hint}")
    return set().union(*found.values())


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _matches(parts, pattern[1:]) or (bool(parts) and _matches(parts[1:], pattern))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
