"""From the folders that a user names to lists of files, paired, unpaired or single, training and test.

Pairs lie side by side in one file (left is a, right is b), or in two folders under equal names; suffixes may differ.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from i2i_runtime import images

T = TypeVar("T")

# Without a test folder, enough files for a sample sheet are kept from training, but never more than a tenth.
_HELD_OUT = 8
# As `tile` names the tiles of a photo.
_TILE = re.compile(r"_s\d{3,}(?=\.png$)")
_HIGH_LAYOUTS = {"train": ("test", "val"), "DIV2K_train_HR": ("DIV2K_valid_HR",)}


@dataclass(frozen=True)
class PairedFiles:
    """The files of each pair, (a, b); the same file twice where the images lie side by side in it."""

    train: tuple[tuple[Path, Path], ...]
    test: tuple[tuple[Path, Path], ...]
    side_by_side: bool
    held_out_from_train: bool


@dataclass(frozen=True)
class UnpairedFiles:
    """The files of domain a and those of domain b."""

    train: tuple[tuple[Path, ...], tuple[Path, ...]]
    test: tuple[tuple[Path, ...], tuple[Path, ...]]
    held_out_from_train: bool


@dataclass(frozen=True)
class SingleFiles:
    """Single images at full resolution."""

    train: tuple[Path, ...]
    test: tuple[Path, ...]
    held_out_from_train: bool


def find_pairs(*folders: Path, scale: int = 1) -> PairedFiles:
    """Pairs in two folders; or in one: side by side, in train/ and test/ (or val/) or directly, or trainA/ and trainB/.

    With `scale`, one image of a pair is that many times as large as the other, so that they are two files, and the name
    of one may say so: 0801x4.png, 0801x4_s001.png. Raises ValueError for a folder that is missing, empty or laid out
    otherwise, and for images without a partner.
    """
    if len(folders) == 2:
        return _with_test(_matched(*folders, scale), (), side_by_side=False)
    (folder,) = _existing(folders)
    if _has(folder, "trainA") or _has(folder, "trainB"):
        has_test = _has(folder, "testA") and _has(folder, "testB")
        test = _matched(folder / "testA", folder / "testB", scale) if has_test else ()
        return _with_test(_matched(folder / "trainA", folder / "trainB", scale), test, side_by_side=False)
    if scale > 1:
        raise _unknown_layout(folder, "trainA/ and trainB/")
    if _has(folder, "train"):
        tests = [folder / name for name in ("test", "val") if _has(folder, name)]
        return _with_test(_doubled(folder / "train"), _doubled(tests[0]) if tests else (), side_by_side=True)
    if any(path.parent == folder for path in _images(folder)):
        return _with_test(_doubled(folder), (), side_by_side=True)
    raise _unknown_layout(folder, "train/ of side-by-side images, trainA/ and trainB/, or side-by-side images")


def find_unpaired(*folders: Path) -> UnpairedFiles:
    """Two domains: one folder with trainA/, trainB/ and perhaps testA/, testB/; or two folders.

    Raises ValueError for a folder that is missing, empty or laid out otherwise.
    """
    if len(folders) == 2:
        parts = [_split(_images(folder), ()) for folder in folders]
    else:
        (folder,) = _existing(folders)
        if not (_has(folder, "trainA") or _has(folder, "trainB")):
            raise _unknown_layout(folder, "trainA/ and trainB/")
        parts = [_split(_images(folder / f"train{side}"), _if_there(folder / f"test{side}")) for side in "AB"]
    (train_a, test_a, held_a), (train_b, test_b, held_b) = parts
    return UnpairedFiles((train_a, train_b), (test_a, test_b), held_a or held_b)


def find_single(folder: Path) -> SingleFiles:
    """Single images: in train/ and test/ (or val/), in folders named as DIV2K's are, or else anywhere below.

    Raises ValueError for a folder that is missing or without images.
    """
    _existing([folder])
    for train, tests in _HIGH_LAYOUTS.items():
        if _has(folder, train):
            test = next((_images(folder / name) for name in tests if _has(folder, name)), ())
            return SingleFiles(*_split(_images(folder / train), test))
    return SingleFiles(*_split(_images(folder), ()))


def find_classes(folder: Path) -> list[str]:
    """The names of the classes: the folders of images in `folder`, or in its folder `train`.

    Raises ValueError where there are none.
    """
    root = folder / "train" if (folder / "train").is_dir() else folder
    names = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(names) < 2:
        raise ValueError(f"{root}: {len(names)} folders in it; classes are folders of images, two or more")
    return names


def _existing(folders: Sequence[Path]) -> Sequence[Path]:
    if len(folders) != 1:
        raise ValueError(f"data: {len(folders)} folders given; allowed: one folder or two")
    if not folders[0].is_dir():
        raise ValueError(f"{folders[0]}: no such folder")
    return folders


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_dir()


def _images(folder: Path) -> tuple[Path, ...]:
    found = tuple(folder / path for path in images.list_images(folder))
    if not found:
        raise ValueError(f"{folder}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    return found


def _if_there(folder: Path) -> tuple[Path, ...]:
    return _images(folder) if folder.is_dir() else ()


def _doubled(folder: Path) -> tuple[tuple[Path, Path], ...]:
    found = _images(folder)
    # One header tells a folder of single images from side-by-side ones half of the time, before anything is trained.
    halves(images.header(found[0]).width, found[0])
    return tuple((path, path) for path in found)


def halves(width: int, path: Path) -> int:
    """The width of one of two images side by side. Raises ValueError for an odd width."""
    if width % 2:
        raise ValueError(f"{path}: {width} pixels wide, which is odd, so it is not two images side by side")
    return width // 2


def _matched(folder_a: Path, folder_b: Path, scale: int = 1) -> tuple[tuple[Path, Path], ...]:
    by_name_a, by_name_b = _by_name(folder_a), _by_name(folder_b)
    if scale > 1:
        by_name_a = without_scale(by_name_a, by_name_b, scale)
        by_name_b = without_scale(by_name_b, by_name_a, scale)
    alone = [by_name_a[name] for name in by_name_a if name not in by_name_b]
    alone += [by_name_b[name] for name in by_name_b if name not in by_name_a]
    if alone:
        total = len(by_name_a) + len(by_name_b)
        raise ValueError(
            f"{folder_a} and {folder_b}: {len(alone)} of {total} images have no partner of the same name in the other"
            f" folder: {_listed(alone, 3)}"
        )
    return tuple((path, by_name_b[name]) for name, path in by_name_a.items())


def _by_name(folder: Path) -> dict[Path, Path]:
    """Files by their path inside the folder without suffix: a/x/1.jpg is the partner of b/x/1.png."""
    named: dict[Path, Path] = {}
    for path in _images(folder):
        name = path.relative_to(folder).with_suffix("")
        if name in named:
            raise ValueError(f"{path} and {named[name].name} have the same name, so the partner is ambiguous; keep one")
        named[name] = path
    return named


def without_scale(named: dict[Path, Path], others: dict[Path, Path], scale: int | None = None) -> dict[Path, Path]:
    """Names that have no partner lose the `x4` (any number for None) at their end, or before the number of a tile.

    Where that would be the name of another one, they keep it.
    """
    ending = re.compile(rf"x{scale or '[0-9]'}(?=(_s\d{{3,}})?$)")
    renamed: dict[Path, Path] = {}
    for name, path in named.items():
        short = name.with_name(ending.sub("", name.name) or name.name)
        taken = name in others or short in named or short in renamed
        renamed[name if taken else short] = path
    return renamed


def _with_test(
    train: tuple[tuple[Path, Path], ...], test: tuple[tuple[Path, Path], ...], *, side_by_side: bool
) -> PairedFiles:
    train, test, held_out = _split(train, test)
    return PairedFiles(train, test, side_by_side, held_out)


def _split(train: tuple[T, ...], test: tuple[T, ...]) -> tuple[tuple[T, ...], tuple[T, ...], bool]:
    """Where nothing is for testing, evenly spaced items are held out from training, if there are ten or more.

    Tiles of one photo overlap, so that all are held out or none; of those held out only the middle one is for testing.
    """
    if test:
        return train, test, False
    photos: dict[Path, list[T]] = {}
    for item in train:
        path = item if isinstance(item, Path) else item[0]  # type: ignore[index]
        photos.setdefault(path.with_name(_TILE.sub("", path.name)), []).append(item)
    groups = list(photos.values())
    count = min(_HELD_OUT, len(groups) // 10)
    held = [(2 * place + 1) * len(groups) // (2 * count) for place in range(count)]
    kept = tuple(item for index, group in enumerate(groups) if index not in held for item in group)
    return kept, tuple(groups[index][len(groups[index]) // 2] for index in held), count > 0


def _unknown_layout(folder: Path, expected: str) -> ValueError:
    there = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir() if not path.name.startswith("."))
    return ValueError(
        f"{folder}: expected {expected} in it, or give two folders; found {_listed(there, 6) or 'nothing'}"
    )


def _listed(things: Sequence[object], most: int) -> str:
    return ", ".join([str(thing) for thing in things[:most]] + ["..."] * (len(things) > most))
