"""Pairs of images by their names, or by a list file.

Names of a pair are equal but for the file suffix, the Unicode form and the case, or for their ends, such as _A and _B.
"""

import csv
import os
import re
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from pathlib import Path
from typing import TypeVar
from unicodedata import normalize

from i2i_runtime import images
from i2i_runtime.files import printable

Item = TypeVar("Item")
Pairs = tuple[tuple[Path, Path], ...]

# Ends of names that are recognised in one folder; `data.suffixes` names others.
_SUFFIXES = (("_A", "_B"), ("_source", "_target"), ("_input", "_target"), ("_LR", "_HR"), ("_lq", "_gt"))
_END = re.compile(r"[_-](?=[A-Za-z]).*")  # of a name: _gtFine_color of aachen_000000_000019_gtFine_color
_NAMED = 3  # files named in a sentence


def list_images(folder: Path) -> list[Path]:
    """The images below a folder, relative to it, in natural order. Raises ValueError where there are none."""
    paths = images.list_images(folder)
    if not paths:
        raise no_images(folder)
    return paths


def no_images(folder: Path) -> ValueError:
    """The error for a folder without images."""
    return ValueError(f"{printable(folder)}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")


def by_stem(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """Relative paths by what they are without suffix, in Unicode's NFC: x/1.jpg in a is the partner of x/1.png in b."""
    found: dict[Path, list[Path]] = {}
    for path in paths:
        found.setdefault(Path(normalize("NFC", str(path.with_suffix("")))), []).append(path)
    return found


def without_scale(stems: dict[Path, Item], others: Container[Path], scale: int | None = None) -> dict[Path, Item]:
    """Stems without partner in `others` lose the x4 (any digit for None) at their end or before the number of a tile.

    They keep it where the shorter name has no partner either, or is another one's.
    """
    ending = re.compile(rf"x{scale or '[0-9]'}(?=(_s\d{{3,}})?$)")
    renamed: dict[Path, Item] = {}
    for stem, item in stems.items():
        short = stem.with_name(ending.sub("", stem.name) or stem.name)
        keeps = stem in others or short not in others or short in renamed
        renamed[stem if keeps else short] = item
    return renamed


def match_folders(
    folder_a: Path,
    folder_b: Path,
    scale: int = 1,
    suffixes: Sequence[str] = (),
    leave_out: Callable[[str], None] | None = None,
) -> Pairs:
    """The pairs of two folders, in the order of a.

    With `suffixes`, the ends of the names of a and b, other images are left out. With `leave_out`, so are images
    without a partner, which it names in a sentence. Raises ValueError for images without a partner, for folders without
    a pair, and where several have one name.
    """
    a, b = by_stem(list_images(folder_a)), by_stem(list_images(folder_b))
    if suffixes:
        a, b = (_without_suffix(stems, end) for stems, end in zip((a, b), suffixes, strict=True))
    if a.keys() != b.keys():
        a, b = _same_names(a, b, scale) if leave_out is None else _most_same_names(a, b, scale)
    for folder, stems in ((folder_a, a), (folder_b, b)):
        _check_unique(folder, stems)
    missing = [folder_a / path for stem, (path,) in a.items() if stem not in b]
    missing += [folder_b / path for stem, (path,) in b.items() if stem not in a]
    if leave_out is not None and missing and a.keys() & b.keys():
        leave_out(f"without a partner, and left out: {_counted(folder_a, a, b)}, {_counted(folder_b, b, a)}")
        a = {stem: paths for stem, paths in a.items() if stem in b}
    elif missing or not a:
        raise ValueError(
            f"{printable(folder_a)} and {printable(folder_b)}: {len(missing)} of {len(a) + len(b)} images have no"
            f" partner of the same name in the other folder: {_first(missing)}{_hint(a, b)}"
        )
    return tuple((folder_a / path, folder_b / b[stem][0]) for stem, (path,) in a.items())


def common_end(stems: Iterable[Path]) -> str:
    """The end that all names share, from a _ or - before a letter on: _A of 001_A and 002_A; empty where none is."""
    shared = os.path.commonprefix([stem.name[::-1] for stem in stems])[::-1]  # noqa: RUF071 of characters, which is meant
    found = _END.search(shared)
    return found[0] if found else ""


def match_suffixes(folder: Path, suffixes: Sequence[str] = ()) -> Pairs:
    """The pairs in one folder by the ends of their names, `suffixes` or those that are usual; none where no end is.

    Raises ValueError where images with these ends have no partner, and for `suffixes` that nothing has.
    """
    stems = by_stem(list_images(folder))
    for ends in [tuple(suffixes)] if suffixes else _SUFFIXES:
        a, b = (_without_suffix(stems, end) for end in ends)
        if suffixes and not (a and a.keys() == b.keys()):
            missing = [path for stem in a.keys() ^ b.keys() for path in (a.get(stem) or b[stem])]
            raise ValueError(
                f"{printable(folder)}: {len(a)} names end in {ends[0]}, {len(b)} in {ends[1]} (data.suffixes), and"
                f" {len(missing)} have no partner: {_first(sorted(missing))}"
            )
        if a and a.keys() == b.keys() and (suffixes or 2 * len(a) == len(stems)):
            _check_unique(folder, a)
            _check_unique(folder, b)
            return tuple((folder / path, folder / b[stem][0]) for stem, (path,) in a.items())
    return ()


def read_list(file: Path) -> Pairs:
    """The pairs of a list file: on each line the paths of a and b, relative to the file, with a tab, comma or space
    between them. Raises ValueError for a line without two files.
    """
    pairs = []
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{printable(file)}: not a list of pairs in UTF-8 ({error})") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        separator = next((each for each in "\t," if each in line), " ")
        fields = [field.strip() for field in next(csv.reader([line], delimiter=separator))]
        paths = [file.parent / field for field in fields if field]
        if len(paths) != 2 or not all(path.is_file() for path in paths):
            raise ValueError(
                f"{printable(file)}, line {number}: {line!r}; allowed: two files of images, relative to the list, with"
                " a tab, comma or space between them"
            )
        pairs.append((paths[0], paths[1]))
    if not pairs:
        raise ValueError(f"{printable(file)}: no pairs in it")
    return tuple(pairs)


def _same_names(
    a: dict[Path, list[Path]], b: dict[Path, list[Path]], scale: int
) -> tuple[dict[Path, list[Path]], dict[Path, list[Path]]]:
    """Both with other names by which all are pairs: without scale, case or common end; else as given, without scale."""
    if scale > 1:
        a = without_scale(a, b, scale)
        b = without_scale(b, a, scale)
    changes: tuple[Callable[[dict[Path, list[Path]]], dict[Path, list[Path]]], ...] = (_casefold, _without_common_end)
    for change in changes:
        changed_a, changed_b = change(a), change(b)
        if changed_a.keys() == changed_b.keys() and (len(changed_a), len(changed_b)) == (len(a), len(b)):
            return changed_a, changed_b
    return a, b


def _most_same_names(
    a: dict[Path, list[Path]], b: dict[Path, list[Path]], scale: int
) -> tuple[dict[Path, list[Path]], dict[Path, list[Path]]]:
    """Both with other names by which the most are pairs, as `_same_names` knows them."""
    if scale > 1:
        a, b = without_scale(a, b, scale), without_scale(b, without_scale(a, b, scale), scale)
    named = [(a, b), (_casefold(a), _casefold(b)), (_without_common_end(a), _without_common_end(b))]
    return max(named, key=lambda both: len(both[0].keys() & both[1].keys()))


def _counted(folder: Path, stems: dict[Path, list[Path]], others: Container[Path]) -> str:
    missing = [path for stem, (path,) in stems.items() if stem not in others]
    named = f" ({_first(missing)})" if missing else ""
    return f"{len(missing)} of {len(stems)} images of {printable(folder)}{named}"


def _casefold(stems: dict[Path, list[Path]]) -> dict[Path, list[Path]]:
    return _renamed(stems, lambda stem: Path(str(stem).casefold()))


def _without_common_end(stems: dict[Path, list[Path]]) -> dict[Path, list[Path]]:
    """Without the end that all names share: 001_A, 002_A become 001, 002."""
    end = common_end(stems)
    return _without_suffix(stems, end) if end else stems


def _without_suffix(stems: dict[Path, list[Path]], end: str) -> dict[Path, list[Path]]:
    """Files whose names have that ending, in any case, by their names without it."""
    fold = end.casefold()
    chosen = {stem: paths for stem, paths in stems.items() if stem.name.casefold().endswith(fold)}
    return _renamed(chosen, lambda stem: stem.with_name(stem.name[: len(stem.name) - len(end)] or "_"))


def _renamed(stems: dict[Path, list[Path]], rename: Callable[[Path], Path]) -> dict[Path, list[Path]]:
    """By other names; the files of those that become one name stay beside each other, to be refused."""
    found: dict[Path, list[Path]] = {}
    for stem, paths in stems.items():
        found.setdefault(rename(stem), []).extend(paths)
    return found


def _hint(a: Collection[Path], b: Collection[Path]) -> str:
    """The option for names whose ends differ, if there is more than one image of b for each of a, or the reverse."""
    ends = [{found[0] for stem in stems if (found := _END.search(stem.name))} for stems in (a, b)]
    if not all(
        0 < len(each) <= 2 * _NAMED and len(each) < len(stems) for each, stems in zip(ends, (a, b), strict=True)
    ):
        return ""
    of_a, of_b = (" or ".join(sorted(each)) for each in ends)
    return f'; names end in {of_a}, and in {of_b}: --set \'data.suffixes=["{min(ends[0])}", "{min(ends[1])}"]\''


def _check_unique(folder: Path, stems: dict[Path, list[Path]]) -> None:
    for first, *others in stems.values():
        if others:
            raise ValueError(
                f"{printable(folder / others[0])} and {printable(first)} have the same name, so the partner is"
                " ambiguous; keep one"
            )


def _first(paths: Sequence[Path]) -> str:
    return ", ".join([printable(path) for path in paths[:_NAMED]] + ["..."] * (len(paths) > _NAMED))
