"""Read every image of a data set and say what is in it, and what is wrong with it, before hours of training do."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from i2i_runtime import images

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

_SPLIT = re.compile(r"(train|test|val)(A|B)?(_labels)?")
_MODES = {1: "grey", 3: "RGB", 4: "RGBA"}
_NAMED = 3  # how many files a sentence names
_SHOWN = 20  # how many problems `lines` shows
# Two folders share so many names only if they are meant as pairs; or both are numbered, and then no name is missing.
_ALIKE = 0.9


class Seen(NamedTuple):
    """One image that could be read. Equal digests: equal pixels, whatever the file format."""

    height: int
    width: int
    channels: int
    bits: int
    digest: bytes


@dataclass(frozen=True)
class Split:
    """The images of one folder, by path inside it; those that can't be read are missing in `seen`."""

    name: str
    paths: list[Path]
    seen: dict[Path, Seen]

    def line(self) -> str:
        """What is in it, in a line."""
        if not self.seen:
            return f"{self.name}: 0 of {len(self.paths)} images can be read"
        modes = Counter((each.channels, each.bits) for each in self.seen.values())
        kinds = [f"{_MODES[channels]} {bits}-bit" for (channels, bits), _ in modes.most_common()]
        if len(kinds) > 1:
            kinds = [f"{count} {kind}" for kind, (_, count) in zip(kinds, modes.most_common(), strict=True)]
        plural = "s" * (len(self.paths) != 1)
        parts = [f"{self.name}: {len(self.paths)} image{plural}", _sizes(self.seen), ", ".join(kinds)]
        repeated = len(self.seen) - len({each.digest for each in self.seen.values()})
        if repeated:
            parts.append(f"{repeated} repeat another one")
        if len(self.paths) > len(self.seen):
            parts.append(f"{len(self.paths) - len(self.seen)} unreadable")
        return "; ".join(parts)


@dataclass
class Report:
    """What `check` found. `problems` are sentences, each about something that training would stumble over or hide."""

    splits: list[Split]
    facts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """All of it as plain text, the problems last and at most 20 of them."""
        shown = [f"! {problem}" for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            shown.append(f"! and {len(self.problems) - _SHOWN} more")
        count = len(self.problems)
        verdict = f"{count} problem{'s' * (count > 1)}:" if count else "no problems"
        return [split.line() for split in self.splits] + self.facts + [verdict, *shown]


def check(
    *folders: Path, paired: bool | None = None, threads: int = os.cpu_count() or 1, progress: Progress | None = None
) -> Report:
    """Read every image of one folder (train/, test/ or trainA/, trainB/, ..., or any images) or of two (a and b).

    `paired` says whether the images of a and b belong together by name, and in one folder without a and b whether each
    image is two, side by side. None guesses: images in train/ are, and a and b are pairs if nine names in ten agree.
    Memory grows with the number of images only. Raises ValueError for a folder that is missing or without images.
    """
    found = _splits(folders)
    total = sum(len(paths) for _, _, paths in found)
    report, done = Report([]), 0
    with ThreadPoolExecutor(threads) as pool:
        for name, folder, paths in found:
            seen: dict[Path, Seen] = {}
            for path, result in _looked_at(folder, paths, pool):
                if isinstance(result, Seen):
                    seen[path] = result
                else:
                    report.problems.append(result)
                done += 1
                if progress:
                    progress(done, total)
            report.splits.append(Split(name, paths, seen))
            if not paths:
                report.problems.append(f"{name}: no images in it")
    _judge_pairs(report, paired)
    _judge_halves(report, paired)
    _judge_leaks(report)
    report.facts += _ignored(folders, {folder / path for _, folder, paths in found for path in paths})
    return report


def _splits(folders: tuple[Path, ...]) -> list[tuple[str, Path, list[Path]]]:
    """(name, folder, images inside) of all that is to be read."""
    if len(folders) not in (1, 2):
        raise ValueError(f"data: {len(folders)} folders given; legal: one folder or two")
    parts = [(str(folder), folder) for folder in folders]
    if len(folders) == 1 and folders[0].is_dir():
        inside = sorted((path for path in folders[0].iterdir() if path.is_dir()), key=_order)
        parts = [(path.name, path) for path in inside if _SPLIT.fullmatch(path.name)] or parts
    found = [(name, folder, images.list_images(folder)) for name, folder in parts]
    if not any(paths for _, _, paths in found):
        raise ValueError(f"{folders[0]}: no images in it; legal suffixes: {' '.join(images.SUFFIXES)}")
    return found


def _order(folder: Path) -> tuple[bool, str]:
    return not folder.name.startswith("train"), folder.name


def _looked_at(folder: Path, paths: list[Path], pool: ThreadPoolExecutor) -> Iterator[tuple[Path, Seen | str]]:
    """Each image, or the sentence that says why it can't be read; a few hundred under way, in order."""
    for start in range(0, len(paths), 256):
        some = paths[start : start + 256]
        yield from zip(some, pool.map(_look, [folder / path for path in some]), strict=True)


def _look(path: Path) -> Seen | str:
    try:
        image = images.read(path)
    except ValueError as error:
        return str(error)
    digest = hashlib.blake2b(repr((image.shape, image.dtype)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    height, width, channels = image.shape
    return Seen(height, width, channels, 8 * image.itemsize, digest.digest())


def _sizes(seen: dict[Path, Seen]) -> str:
    """Smallest, middle and largest by the number of pixels, as width x height."""
    sizes = sorted(((each.width, each.height) for each in seen.values()), key=lambda size: (size[0] * size[1], size))
    low, middle, high = (f"{width}x{height}" for width, height in (sizes[0], sizes[len(sizes) // 2], sizes[-1]))
    different = len(set(sizes))
    return f"all {low}" if different == 1 else f"{low} to {high}, median {middle}, {different} sizes"


def _judge_pairs(report: Report, paired: bool | None) -> None:
    """Images and label maps belong together by name; trainA and trainB, or two folders, if they are pairs."""
    splits = {split.name: split for split in report.splits}
    for name, split in splits.items():
        other = {"trainA": "trainB", "trainB": "trainA"}.get(name, name)
        if other not in splits:
            report.problems.append(f"{name}: no {other} beside it")
        if f"{name}_labels" in splits:
            _judge_partners(report, split, splits[f"{name}_labels"], paired=True)
        if name.endswith("A") and name[:-1] + "B" in splits and _SPLIT.fullmatch(name):
            _judge_partners(report, split, splits[name[:-1] + "B"], paired)
    if len(splits) == 2 and not any(_SPLIT.fullmatch(name) for name in splits):
        _judge_partners(report, report.splits[0], report.splits[1], paired)


def _judge_partners(report: Report, one: Split, other: Split, paired: bool | None) -> None:
    here, there = _by_name(one), _by_name(other)
    both = [name for name in here if name in there]
    if paired is None:
        paired = len(both) >= _ALIKE * max(len(here), len(there))
    if not paired:
        return
    where = f"{one.name} and {other.name}"
    report.facts.append(f"{where}: {len(both)} names in both")
    for split, named in ((one, here), (other, there)):
        doubled = [str(path) for path in split.paths if named[path.with_suffix("")] != path]
        if doubled:
            report.problems.append(f"{split.name}: the name of another for {_share(doubled, split.paths)}")
    alone = [f"{one.name}/{here[name]}" for name in here if name not in there]
    alone += [f"{other.name}/{there[name]}" for name in there if name not in here]
    if alone:
        report.problems.append(f"{where}: no partner of the same name for {_share(alone, one.paths + other.paths)}")
    unequal = []
    for name in both:
        a, b = one.seen.get(here[name]), other.seen.get(there[name])
        if a and b and a[:2] != b[:2]:
            unequal.append(f"{name} ({a.width}x{a.height} and {b.width}x{b.height})")
    if unequal:
        report.problems.append(f"{where}: unequal sizes in {_share(unequal, both, 'pairs')}")


def _by_name(split: Split) -> dict[Path, Path]:
    named: dict[Path, Path] = {}
    for path in split.paths:
        named.setdefault(path.with_suffix(""), path)
    return named


def _judge_halves(report: Report, paired: bool | None) -> None:
    """train/, test/ and val/ hold pairs side by side, unless told otherwise; a mere folder does if told so."""
    for split in report.splits:
        mere = len(report.splits) == 1 and not _SPLIT.fullmatch(split.name)
        if paired is False or not (split.name in ("train", "test", "val") or (paired and mere)):
            continue
        odd = [f"{path} ({each.width}x{each.height})" for path, each in split.seen.items() if each.width % 2]
        if odd:
            report.problems.append(f"{split.name}: odd width, so not two halves, in {_share(odd, split.paths)}")


def _judge_leaks(report: Report) -> None:
    """No image to train on may be one to test on."""
    trained: dict[bytes, str] = {}
    for split in report.splits:
        if split.name.endswith("_labels"):
            continue
        if split.name.startswith("train"):
            trained |= {each.digest: f"{split.name}/{path}" for path, each in split.seen.items()}
            continue
        leaks = [
            f"{split.name}/{path} is {trained[each.digest]}"
            for path, each in split.seen.items()
            if each.digest in trained
        ]
        if leaks:
            report.problems.append(f"{split.name}: in training too are {_share(leaks, split.paths)}")


def _ignored(folders: tuple[Path, ...], used: set[Path]) -> list[str]:
    ignored = []
    for folder in folders:
        for here, inside, files in os.walk(folder):
            inside[:] = sorted(name for name in inside if not name.startswith("."))
            paths = (Path(here, name) for name in sorted(files) if not name.startswith("."))
            ignored += [str(path) for path in paths if path not in used]
    return [f"files ignored: {len(ignored)} ({_some(ignored)})"] if ignored else []


def _share(items: list[str], of: list[Path], what: str = "images") -> str:
    return f"{len(items)} of {len(of)} {what}: {_some(items)}"


def _some(items: list[str]) -> str:
    return ", ".join(images.shown(Path(item)) for item in items[:_NAMED]) + (", ..." if len(items) > _NAMED else "")
