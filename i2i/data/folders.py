"""From the folders that a user names to lists of files: pairs, two domains, or single images, for training and testing.

`layouts` has the layouts of folders that are recognised, `pairing` how the two files of a pair are found.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from i2i.data import pairing
from i2i.data.labels.maps import LabelMaps
from i2i.data.layouts import (
    Domains,
    Layout,
    check_side_by_side,
    check_single_resolution,
    child,
    find_domains,
    find_labelled_domains,
)
from i2i.data.pairing import Pairs, list_images
from i2i_runtime import images
from i2i_runtime.files import printable

Item = TypeVar("Item")  # one path, or those of a pair

# Where there are no test images, enough for a sample sheet are held out from training, but at most a tenth.
_HELD_OUT = 8
_TILE = re.compile(r"_s\d{3,}(?=\.png$)")  # the end of a tile's name, see `i2i.data.tile`
_SINGLE_LAYOUTS = {"train": ("test", "val"), "DIV2K_train_HR": ("DIV2K_valid_HR",)}


@dataclass(frozen=True)
class PairedFiles:
    """The files of each pair, (a, b); the same file twice where both lie side by side in it."""

    train: tuple[tuple[Path, Path], ...]
    test: tuple[tuple[Path, Path], ...]
    held_out_from_train: bool
    side_by_side: bool
    labels: LabelMaps | None = None  # None: not looked for
    real: tuple[Path, ...] = ()  # images of the targets' domain that belong to no pair


@dataclass(frozen=True)
class UnpairedFiles:
    """The files of domain a, and those of domain b."""

    train: tuple[tuple[Path, ...], tuple[Path, ...]]
    test: tuple[tuple[Path, ...], tuple[Path, ...]]
    held_out_from_train: bool
    labels: LabelMaps | None = None  # None: not looked for


@dataclass(frozen=True)
class SingleFiles:
    """Images that have no partner: photos for super-resolution, or what a generator of images from noise learns."""

    train: tuple[Path, ...]
    test: tuple[Path, ...]
    held_out_from_train: bool
    labels: LabelMaps | None = None  # None: not looked for


def find_pairs(
    *folders: Path,
    scale: int = 1,
    layout: Layout = "auto",
    suffixes: Sequence[str] = (),
    leave_out: Callable[[str], None] | None = None,
) -> PairedFiles:
    """The pairs of two folders, of one folder in a layout of `layouts`, or of a list file.

    In one folder a pair is two files in the folders of a and b, two files whose names end in `suffixes` (such as _A and
    _B), or one image with a on its left and b on its right. With `scale`, one image of a pair is that many times as
    large as the other, and the name of one may say so: 0801x4.png, 0801x4_s001.png. Images of two
    folders without a partner are named to `leave_out`, if given. Raises ValueError for a folder that is missing, empty
    or ambiguous, and for images without a partner.
    """
    if len(folders) == 1 and folders[0].is_file():
        return PairedFiles(*_split(pairing.read_list(folders[0]), ()), side_by_side=False)
    if len(folders) != 2:
        _one_folder(folders)
    if domains := find_domains(folders, layout):
        trained = _require(folders[0], domains["train"])
        tests = [domains[name] for name in ("test", "val") if name in domains and domains[name].is_complete]
        match = partial(_match, scale=scale, suffixes=suffixes, leave_out=leave_out)
        return PairedFiles(*_split(match(trained), match(tests[0]) if tests else ()), side_by_side=False)
    folder = folders[0]
    train_folder, test_folder = child(folder, "train"), child(folder, "test") or child(folder, "val")
    if layout != "side-by-side" and (train := pairing.match_suffixes(train_folder or folder, suffixes)):
        test = pairing.match_suffixes(test_folder, suffixes) if train_folder and test_folder else ()
        return PairedFiles(*_split(train, test), side_by_side=False)
    if scale > 1:
        raise _unknown_layout(folder, "trainA/ and trainB/")
    if train_folder:
        test = _side_by_side(test_folder, layout) if test_folder else ()
        return PairedFiles(*_split(_side_by_side(train_folder, layout), test), side_by_side=True)
    if layout == "side-by-side" or any(path.parent == folder for path in _paths(folder)):
        return PairedFiles(*_split(_side_by_side(folder, layout), ()), side_by_side=True)
    raise _unknown_layout(folder, "train/ of side-by-side images, trainA/ and trainB/, or side-by-side images")


def find_unpaired(*folders: Path, layout: Layout = "auto", labelled: bool = False) -> UnpairedFiles:
    """The images of two domains: two folders, or one in a layout of `layouts`, with test images or without.

    With `labelled`, the images of a folder in which label maps lie beside them are those in its images/. Raises
    ValueError for a folder that is missing, empty or ambiguous.
    """
    if len(folders) != 2:
        _one_folder(folders)
    domains = find_labelled_domains(folders, layout) if labelled else find_domains(folders, layout)
    if not domains:
        raise _unknown_layout(folders[0], "trainA/ and trainB/")
    train = _require(folders[0], domains.pop("train"))
    splits = []
    for side in range(2):
        test = next((domains[name][side] for name in ("test", "val") if name in domains and domains[name][side]), None)
        splits.append(_split(_paths(train[side]), _paths(test) if test else ()))
    (train_a, test_a, held_out_a), (train_b, test_b, held_out_b) = splits
    return UnpairedFiles((train_a, train_b), (test_a, test_b), held_out_a or held_out_b)


def find_single(folder: Path, layout: Layout = "auto") -> SingleFiles:
    """Single images: those of train/ and of test/ or val/, of folders named as DIV2K's, or all below the folder.

    Raises ValueError for a folder that is missing or without images, and for low beside high resolution.
    """
    _one_folder([folder])
    if layout == "flat":
        return SingleFiles(*_split(_paths(folder), ()))
    for train, tests in _SINGLE_LAYOUTS.items():
        if found := child(folder, train):
            test = next((_paths(each) for name in tests if (each := child(folder, name))), ())
            return SingleFiles(*_split(_paths(found), test))
    if layout == "auto":
        check_single_resolution(folder)
    return SingleFiles(*_split(_paths(folder), ()))


def split_files(train: Path, test: Path | None) -> SingleFiles:
    """All images below two folders, or below one of which some are held out. Raises ValueError for none."""
    return SingleFiles(*_split(_paths(train), _paths(test) if test else ()))


def find_classes(folder: Path) -> list[str]:
    """The names of the classes in order: the folders in `folder/train`, or in `folder` where it has no train/.

    Raises ValueError where there are fewer than two.
    """
    root = child(folder, "train") or folder
    names = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(names) < 2:
        raise ValueError(f"{root}: {len(names)} folders in it; classes are folders of images, two or more")
    return names


def half_width(width: int, path: Path) -> int:
    """The width of one of two images side by side, in pixels. Raises ValueError for an odd width."""
    if width % 2:
        raise ValueError(f"{path}: {width} pixels wide, which is odd, so it is not two images side by side")
    return width // 2


def _one_folder(folders: Sequence[Path]) -> Path:
    if len(folders) != 1:
        raise ValueError(f"data: {len(folders)} folders given; allowed: one folder or two")
    if not folders[0].is_dir():
        raise ValueError(f"{folders[0]}: no such folder")
    return folders[0]


def _paths(folder: Path) -> tuple[Path, ...]:
    return tuple(folder / path for path in list_images(folder))


def _side_by_side(folder: Path, layout: Layout) -> Pairs:
    paths = _paths(folder)
    half_width(images.header(paths[0]).width, paths[0])
    check_side_by_side(folder, paths, layout)
    return tuple((path, path) for path in paths)


def _match(domains: tuple[Path | None, Path | None], **options: Any) -> Pairs:
    assert domains[0] and domains[1]
    return pairing.match_folders(domains[0], domains[1], **options)


def _require(root: Path, domains: Domains) -> tuple[Path, Path]:
    a, b = domains
    if not (a and b):
        raise ValueError(f"{printable(root / ('trainB' if a else 'trainA'))}: no such folder")
    return a, b


def _split(train: tuple[Item, ...], test: tuple[Item, ...]) -> tuple[tuple[Item, ...], tuple[Item, ...], bool]:
    """(train, test, True where test items were held out): evenly spaced ones of ten or more, if there are none.

    Tiles of one photo overlap, so all of them leave training and the middle one is for testing.
    """
    if test:
        return train, test, False
    photos: dict[Path, list[Item]] = {}
    for item in train:
        path = item if isinstance(item, Path) else item[0]  # type: ignore[index]
        photos.setdefault(path.with_name(_TILE.sub("", path.name)), []).append(item)
    groups = list(photos.values())
    count = min(_HELD_OUT, len(groups) // 10)
    held_out = [(2 * place + 1) * len(groups) // (2 * count) for place in range(count)]
    kept = tuple(item for index, group in enumerate(groups) if index not in held_out for item in group)
    return kept, tuple(groups[index][len(groups[index]) // 2] for index in held_out), count > 0


def _unknown_layout(folder: Path, expected: str) -> ValueError:
    names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir() if not path.name.startswith("."))
    return ValueError(
        f"{folder}: expected {expected} in it, or give two folders; found {_first(names, 6) or 'nothing'}"
    )


def _first(items: Sequence[object], count: int) -> str:
    return ", ".join([str(item) for item in items[:count]] + ["..."] * (len(items) > count))
