"""Read every image of a data set and say what is in it, and what is wrong with it, before hours of training do."""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from i2i.data.folders import without_scale
from i2i.data.survey import SPLIT, Seen, Split, find_splits, looked_at
from i2i_runtime.files import printable

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

_NAMED = 3  # how many files a sentence names
_SHOWN = 20  # how many problems `lines` shows
# Two folders share so many names only if they are meant as pairs; or both are numbered, and then no name is missing.
_ALIKE = 0.9
# Published pairs side by side are twice as wide as high, photos seldom.
_WIDE = 1.9
# Of single images: the window that ESRGAN's training cuts out, and what takes long to decode for a window alone.
_SMALL, _LARGE = 128, 2**20  # pixels on a side, pixels in all


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
    image is two, side by side. None guesses: images in train/ are if most are wide, and a and b are pairs if nine names
    in ten agree. Pairs may be of low and high resolution.
    Memory grows with the number of images only. Raises ValueError for a folder that is missing or without images.
    """
    found = find_splits(folders)
    total = sum(len(paths) for _, _, paths in found)
    report, done = Report([]), 0
    with ThreadPoolExecutor(threads) as pool:
        for name, folder, paths in found:
            seen: dict[Path, Seen] = {}
            for path, result in looked_at(folder, paths, pool):
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
    _advise(report)
    report.facts += _ignored(folders, {folder / path for _, folder, paths in found for path in paths})
    return report


def _judge_pairs(report: Report, paired: bool | None) -> None:
    """Images and label maps belong together by name; trainA and trainB, or two folders, if they are pairs."""
    splits = {split.name: split for split in report.splits}
    for name, split in splits.items():
        other = {"trainA": "trainB", "trainB": "trainA"}.get(name, name)
        if other not in splits:
            report.problems.append(f"{name}: no {other} beside it")
        if f"{name}_labels" in splits:
            _judge_partners(report, split, splits[f"{name}_labels"], paired=True)
        if name.endswith("A") and name[:-1] + "B" in splits and SPLIT.fullmatch(name):
            _judge_partners(report, split, splits[name[:-1] + "B"], paired)
    if len(splits) == 2 and not any(SPLIT.fullmatch(name) for name in splits):
        _judge_partners(report, report.splits[0], report.splits[1], paired)


def _judge_partners(report: Report, one: Split, other: Split, paired: bool | None) -> None:
    here, there = _by_name(one), _by_name(other)
    doubled = {
        split.name: [str(path) for path in split.paths if named[path.with_suffix("")] != path]
        for split, named in ((one, here), (other, there))
    }
    here = without_scale(here, there)
    there = without_scale(there, here)
    both = [name for name in here if name in there]
    if paired is None:
        paired = len(both) >= _ALIKE * max(len(here), len(there))
    if not paired:
        return
    where = f"{one.name} and {other.name}"
    report.facts.append(f"{where}: {len(both)} names in both")
    for split in (one, other):
        if doubled[split.name]:
            report.problems.append(f"{split.name}: the name of another for {_share(doubled[split.name], split.paths)}")
    alone = [f"{one.name}/{here[name]}" for name in here if name not in there]
    alone += [f"{other.name}/{there[name]}" for name in there if name not in here]
    if alone:
        report.problems.append(f"{where}: no partner of the same name for {_share(alone, one.paths + other.paths)}")
    pairs = {
        name: (one.seen[here[name]], other.seen[there[name]])
        for name in both
        if here[name] in one.seen and there[name] in other.seen
    }
    _judge_sizes(report, (one.name, other.name), pairs)


def _judge_sizes(report: Report, names: tuple[str, str], pairs: dict[Path, tuple[Seen, Seen]]) -> None:
    """The images of a pair are of one size; or those of one side are all larger by the same factor, low and high."""
    where, factors = " and ".join(names), {name: _factor(*pair) for name, pair in pairs.items()}
    usual = 1
    if factors and not names[1].endswith("_labels"):
        usual = Counter(factors.values()).most_common(1)[0][0] or 1
    if abs(usual) > 1:
        low, high = names if usual > 0 else names[::-1]
        report.facts.append(f"{high}: {abs(usual)} times as large as {low}, pairs for method.scale = {abs(usual)}")
    unequal = [
        f"{name} ({a.width}x{a.height} and {b.width}x{b.height})"
        for name, (a, b) in pairs.items()
        if factors[name] != usual
    ]
    if unequal:
        what = "unequal sizes" if usual == 1 else "another factor"
        report.problems.append(f"{where}: {what} in {_share(unequal, list(pairs), 'pairs')}")


def _factor(a: Seen, b: Seen) -> int:
    """How many times as large as `a` is `b`, negative the other way round; 0 where that is no whole number.

    As in training, a rest of fewer pixels than the factor does not count.
    """
    low, high = sorted((a[:2], b[:2]))
    factor = high[0] // low[0]
    if (high[0] // factor, high[1] // factor) != low:
        return 0
    return factor if a[:2] == low else -factor


def _by_name(split: Split) -> dict[Path, Path]:
    named: dict[Path, Path] = {}
    for path in split.paths:
        named.setdefault(path.with_suffix(""), path)
    return named


def _judge_halves(report: Report, paired: bool | None) -> None:
    """train/, test/ and val/ hold pairs side by side if told so, or if most are wide; a mere folder if told so."""
    for split in report.splits:
        mere = len(report.splits) == 1 and not SPLIT.fullmatch(split.name)
        if paired is False or not (split.name in ("train", "test", "val") or (paired and mere)):
            continue
        wide = [each for each in split.seen.values() if each.width >= _WIDE * each.height]
        if paired is None and len(wide) < len(split.seen) / 2:
            continue
        odd = [f"{path} ({each.width}x{each.height})" for path, each in split.seen.items() if each.width % 2]
        if odd:
            report.problems.append(f"{split.name}: odd width, so not two halves, in {_share(odd, split.paths)}")


def _advise(report: Report) -> None:
    """What super-resolution would like to know of a mere folder of images."""
    if len(report.splits) > 1 or not report.splits[0].seen or SPLIT.fullmatch(report.splits[0].name):
        return
    (split,) = report.splits
    small = [f"{path} ({each.width}x{each.height})" for path, each in split.seen.items() if min(each[:2]) < _SMALL]
    if small:
        report.facts.append(f"{split.name}: less than {_SMALL} pixels on a side in {_share(small, split.paths)}")
    large = sum(each.width * each.height > _LARGE for each in split.seen.values())
    if large > len(split.seen) / 2:
        report.facts.append(f"{split.name}: large; to train on crops, cut them once with `i2i data tile`")


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
    return ", ".join(printable(Path(item)) for item in items[:_NAMED]) + (", ..." if len(items) > _NAMED else "")
