"""Check a data set before hours of training: what it holds, and what training would fail on or hide."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from i2i.data.halves import are_side_by_side
from i2i.data.layouts import PROBED
from i2i.data.pairing import by_stem, without_scale
from i2i.data.survey import SPLIT, ImageFacts, Split, find_splits, read_facts
from i2i.progress import Progress
from i2i_runtime import images
from i2i_runtime.files import printable

_NAMED = 3  # files named in a sentence
_PRINTED = 20  # problems in the report's lines
# Two folders share so many names only if they are pairs; or both are numbered, and then no name is missing.
_SHARED_NAMES = 0.9
# Published side-by-side pairs are twice as wide as high; few photos are.
_WIDE = 1.9
_SMALL = 128  # pixels: the training crop of ESRGAN
_LARGE = 2**20  # pixels in all, from which on decoding takes most of the time of a crop


@dataclass
class DataReport:
    """The findings of `check`: `problems` are sentences about what training would fail on or hide."""

    splits: list[Split] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report as plain text: splits, facts, and the first 20 problems."""
        count = len(self.problems)
        summary = f"{count} problem{'s' * (count > 1)}:" if count else "no problems"
        problems = [f"! {problem}" for problem in self.problems[:_PRINTED]]
        more = [f"! and {count - _PRINTED} more"] * (count > _PRINTED)
        return [*(split.line() for split in self.splits), *self.facts, summary, *problems, *more]


def check(
    *folders: Path, paired: bool | None = None, threads: int = os.cpu_count() or 1, progress: Progress | None = None
) -> DataReport:
    """Read every image of one folder (train/, test/ or trainA/, trainB/, ..., or any images), or of two (a and b).

    `paired` says that images of a and b are pairs by their names, or that each image of the one folder is two, side by
    side. None guesses: images in train/ are if most are wide and their halves plausible, a and b are if nine names in
    ten agree. Pairs may be of low and high resolution. Memory grows with the number of images only. Raises ValueError
    for a folder that is missing or without images.
    """
    found = find_splits(folders)
    report = DataReport()
    _read_all(report, found, threads, progress)
    _check_pairs(report, paired)
    _check_side_by_side(report, paired, {name: folder for name, folder, _ in found})
    _check_leaks(report)
    _advise(report)
    _list_ignored(report, folders, {folder / path for _, folder, paths in found for path in paths})
    return report


def _read_all(
    report: DataReport, found: list[tuple[str, Path, list[Path]]], threads: int, progress: Progress | None
) -> None:
    total, done = sum(len(paths) for _, _, paths in found), 0
    with ThreadPoolExecutor(threads) as pool:
        for name, folder, paths in found:
            facts: dict[Path, ImageFacts] = {}
            for path, result in read_facts(folder, paths, pool):
                if isinstance(result, str):
                    report.problems.append(result)
                else:
                    facts[path] = result
                done += 1
                if progress:
                    progress(done, total)
            report.splits.append(Split(name, paths, facts))
            if not paths:
                report.problems.append(f"{name}: no images in it")


def _check_pairs(report: DataReport, paired: bool | None) -> None:
    """Images and their label maps are pairs; trainA and trainB, or two folders, if `paired` or their names say so."""
    splits = {split.name: split for split in report.splits}
    for name, split in splits.items():
        other = {"trainA": "trainB", "trainB": "trainA"}.get(name, name)
        if other not in splits:
            report.problems.append(f"{name}: no {other} beside it")
        if f"{name}_labels" in splits:
            _check_partners(report, split, splits[f"{name}_labels"], paired=True)
        if name.endswith("A") and name[:-1] + "B" in splits and SPLIT.fullmatch(name):
            _check_partners(report, split, splits[name[:-1] + "B"], paired)
    if len(splits) == 2 and not any(SPLIT.fullmatch(name) for name in splits):
        _check_partners(report, report.splits[0], report.splits[1], paired)


def _check_partners(report: DataReport, one: Split, other: Split, paired: bool | None) -> None:
    stems = [by_stem(split.paths) for split in (one, other)]
    a = without_scale(stems[0], stems[1])
    b = without_scale(stems[1], a)
    common = [stem for stem in a if stem in b]
    if paired is None:
        paired = len(common) >= _SHARED_NAMES * max(len(a), len(b))
    if not paired:
        return
    both = f"{one.name} and {other.name}"
    report.facts.append(f"{both}: {len(common)} names in both")
    for split, paths in zip((one, other), stems, strict=True):
        if repeated := [str(path) for same in paths.values() for path in same[1:]]:
            report.problems.append(f"{split.name}: the name of another for {_share(repeated, split.paths)}")
    missing = [f"{one.name}/{paths[0]}" for stem, paths in a.items() if stem not in b]
    missing += [f"{other.name}/{paths[0]}" for stem, paths in b.items() if stem not in a]
    if missing:
        report.problems.append(f"{both}: no partner of the same name for {_share(missing, one.paths + other.paths)}")
    pairs = {stem: (one.facts.get(a[stem][0]), other.facts.get(b[stem][0])) for stem in common}
    readable = {stem: (first, second) for stem, (first, second) in pairs.items() if first and second}
    _check_sizes(report, (one.name, other.name), readable)


def _check_sizes(report: DataReport, names: tuple[str, str], pairs: dict[Path, tuple[ImageFacts, ImageFacts]]) -> None:
    """The images of a pair are of one size, or all of one side are larger by the same factor: low and high."""
    factors, usual = {stem: _factor(*pair) for stem, pair in pairs.items()}, 1
    if factors and not names[1].endswith("_labels"):
        usual = Counter(factors.values()).most_common(1)[0][0] or 1
    if abs(usual) > 1:
        low, high = names if usual > 0 else names[::-1]
        report.facts.append(f"{high}: {abs(usual)} times as large as {low}, pairs for method.scale = {abs(usual)}")
    unequal = [f"{stem} ({a.size} and {b.size})" for stem, (a, b) in pairs.items() if factors[stem] != usual]
    if unequal:
        problem = "unequal sizes" if usual == 1 else "another factor"
        report.problems.append(f"{' and '.join(names)}: {problem} in {_share(unequal, list(pairs), 'pairs')}")


def _factor(a: ImageFacts, b: ImageFacts) -> int:
    """The factor from the size of `a` to that of `b`, negative where `a` is larger, 0 where it is no whole number.

    As in training, fewer rows and columns than the factor may be left over.
    """
    low, high = sorted((a[:2], b[:2]))
    factor = high[0] // low[0]
    if (high[0] // factor, high[1] // factor) != low:
        return 0
    return factor if a[:2] == low else -factor


def _check_side_by_side(report: DataReport, paired: bool | None, folders: Mapping[str, Path]) -> None:
    """Images in train/, test/ and val/ are pairs if `paired`, or if most are wide and their halves are plausible; in a
    single folder if `paired`.
    """
    for split in report.splits:
        single = len(report.splits) == 1 and not SPLIT.fullmatch(split.name)
        if paired is False or not (split.name in ("train", "test", "val") or (paired and single)):
            continue
        if paired is None and not _is_side_by_side(report, split, folders[split.name]):
            continue
        if odd := _sized(split, lambda image: image.width % 2 == 1):
            report.problems.append(f"{split.name}: odd width, so not two halves, in {_share(odd, split.paths)}")


def _is_side_by_side(report: DataReport, split: Split, folder: Path) -> bool:
    """True if most images are wide and their halves are plausible pairs; wide images that are not are reported."""
    wide = [path for path, image in split.facts.items() if image.width >= _WIDE * image.height]
    if 2 * len(wide) < len(split.facts) or not wide:
        return False
    if are_side_by_side(folder / path for path in wide[:: max(1, len(wide) // PROBED)]):
        return True
    report.facts.append(
        f"{split.name}: twice as wide as high, but most without a seam in the middle or the same edges in both halves,"
        " so taken for single images; data.layout=side-by-side trains on them as pairs"
    )
    return False


def _check_leaks(report: DataReport) -> None:
    """No test image is a training image. Label maps may repeat."""
    training: dict[bytes, str] = {}
    for split in report.splits:
        if split.name.endswith("_labels"):
            continue
        named = {path: f"{split.name}/{path}" for path in split.facts}
        if split.name.startswith("train"):
            training |= {image.digest: named[path] for path, image in split.facts.items()}
            continue
        leaks = [
            f"{named[path]} is {training[image.digest]}"
            for path, image in split.facts.items()
            if image.digest in training
        ]
        if leaks:
            report.problems.append(f"{split.name}: in training too are {_share(leaks, split.paths)}")


def _advise(report: DataReport) -> None:
    """Facts for super-resolution about a single folder of photos."""
    if len(report.splits) > 1 or not report.splits[0].facts or SPLIT.fullmatch(report.splits[0].name):
        return
    (split,) = report.splits
    if small := _sized(split, lambda image: min(image.height, image.width) < _SMALL):
        report.facts.append(f"{split.name}: less than {_SMALL} pixels on a side in {_share(small, split.paths)}")
    large = sum(image.width * image.height > _LARGE for image in split.facts.values())
    if large > len(split.facts) / 2:
        report.facts.append(f"{split.name}: large; to train on crops, cut them once with `i2i data tile`")


def _list_ignored(report: DataReport, folders: tuple[Path, ...], used: set[Path]) -> None:
    ignored = [path for root in folders for name in images.list_files(root) if (path := root / name) not in used]
    if ignored:
        report.facts.append(f"files ignored: {len(ignored)} ({_first([str(path) for path in ignored])})")
    unread = Counter(path.suffix.lower() for path in ignored if path.suffix.lower() in images.UNREAD_SUFFIXES)
    for suffix, count in unread.most_common():
        some = _first([str(path) for path in ignored if path.suffix.lower() == suffix])
        report.problems.append(f"{count} {suffix} files are not read, so convert them: {some}")


def _sized(split: Split, holds: Callable[[ImageFacts], bool]) -> list[str]:
    """The images for which `holds`, with their sizes."""
    return [f"{path} ({image.size})" for path, image in split.facts.items() if holds(image)]


def _share(items: list[str], of: Sequence[Path], noun: str = "images") -> str:
    return f"{len(items)} of {len(of)} {noun}: {_first(items)}"


def _first(items: list[str]) -> str:
    return ", ".join(printable(Path(item)) for item in items[:_NAMED]) + (", ..." if len(items) > _NAMED else "")
