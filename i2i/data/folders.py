"""From the folders that a user names to lists of files: pairs, two domains, or single images, for training and testing.

Pairs lie side by side in one file (a is the left half, b the right one), or in two folders under names that are equal
but for their suffixes.
"""

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from i2i_runtime import images

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


@dataclass(frozen=True)
class UnpairedFiles:
    """The files of domain a, and those of domain b."""

    train: tuple[tuple[Path, ...], tuple[Path, ...]]
    test: tuple[tuple[Path, ...], tuple[Path, ...]]
    held_out_from_train: bool


@dataclass(frozen=True)
class SingleFiles:
    """Images that have no partner: photos for super-resolution, or what a generator of images from noise learns."""

    train: tuple[Path, ...]
    test: tuple[Path, ...]
    held_out_from_train: bool


def find_pairs(*folders: Path, scale: int = 1) -> PairedFiles:
    """The pairs of two folders, or of one that has trainA/ and trainB/, or images side by side in itself or in train/.

    testA/ and testB/, or test/ or val/, hold the test images. With `scale`, one image of a pair is that many times as
    large as the other, so they are two files, and the name of one may say so: 0801x4.png, 0801x4_s001.png. Raises
    ValueError for a folder that is missing, empty or of another layout, and for images without a partner.
    """
    if len(folders) == 2:
        return PairedFiles(*_split(_match(*folders, scale), ()), side_by_side=False)
    folder = _one_folder(folders)
    if _has(folder, "trainA") or _has(folder, "trainB"):
        has_test = _has(folder, "testA") and _has(folder, "testB")
        test = _match(folder / "testA", folder / "testB", scale) if has_test else ()
        return PairedFiles(*_split(_match(folder / "trainA", folder / "trainB", scale), test), side_by_side=False)
    if scale > 1:
        raise _unknown_layout(folder, "trainA/ and trainB/")
    if _has(folder, "train"):
        tests = [folder / name for name in ("test", "val") if _has(folder, name)]
        test = _side_by_side(tests[0]) if tests else ()
        return PairedFiles(*_split(_side_by_side(folder / "train"), test), side_by_side=True)
    if any(path.parent == folder for path in _paths(folder)):
        return PairedFiles(*_split(_side_by_side(folder), ()), side_by_side=True)
    raise _unknown_layout(folder, "train/ of side-by-side images, trainA/ and trainB/, or side-by-side images")


def find_unpaired(*folders: Path) -> UnpairedFiles:
    """The images of two domains: two folders, or one that has trainA/, trainB/ and perhaps testA/, testB/.

    Raises ValueError for a folder that is missing, empty or of another layout.
    """
    if len(folders) == 2:
        splits = [_split(_paths(folder), ()) for folder in folders]
    else:
        folder = _one_folder(folders)
        if not (_has(folder, "trainA") or _has(folder, "trainB")):
            raise _unknown_layout(folder, "trainA/ and trainB/")
        tests = [_paths(folder / name) if _has(folder, name) else () for name in ("testA", "testB")]
        splits = [_split(_paths(folder / f"train{side}"), test) for side, test in zip("AB", tests, strict=True)]
    (train_a, test_a, held_out_a), (train_b, test_b, held_out_b) = splits
    return UnpairedFiles((train_a, train_b), (test_a, test_b), held_out_a or held_out_b)


def find_single(folder: Path) -> SingleFiles:
    """Single images: those of train/ and of test/ or val/, of folders named as DIV2K's, or all below the folder.

    Raises ValueError for a folder that is missing or without images.
    """
    _one_folder([folder])
    for train, tests in _SINGLE_LAYOUTS.items():
        if _has(folder, train):
            test = next((_paths(folder / name) for name in tests if _has(folder, name)), ())
            return SingleFiles(*_split(_paths(folder / train), test))
    return SingleFiles(*_split(_paths(folder), ()))


def find_classes(folder: Path) -> list[str]:
    """The names of the classes in order: the folders in `folder/train`, or in `folder` where it has no train/.

    Raises ValueError where there are fewer than two.
    """
    root = folder / "train" if _has(folder, "train") else folder
    names = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(names) < 2:
        raise ValueError(f"{root}: {len(names)} folders in it; classes are folders of images, two or more")
    return names


def list_images(folder: Path) -> list[Path]:
    """The images below a folder, relative to it, in natural order. Raises ValueError where there are none."""
    paths = images.list_images(folder)
    if not paths:
        raise no_images(folder)
    return paths


def no_images(folder: Path) -> ValueError:
    """The error for a folder without images."""
    return ValueError(f"{folder}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")


def half_width(width: int, path: Path) -> int:
    """The width of one of two images side by side, in pixels. Raises ValueError for an odd width."""
    if width % 2:
        raise ValueError(f"{path}: {width} pixels wide, which is odd, so it is not two images side by side")
    return width // 2


def by_stem(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """Relative paths by what they are without suffix: x/1.jpg in a is the partner of x/1.png in b."""
    found: dict[Path, list[Path]] = {}
    for path in paths:
        found.setdefault(path.with_suffix(""), []).append(path)
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


def _one_folder(folders: Sequence[Path]) -> Path:
    if len(folders) != 1:
        raise ValueError(f"data: {len(folders)} folders given; allowed: one folder or two")
    if not folders[0].is_dir():
        raise ValueError(f"{folders[0]}: no such folder")
    return folders[0]


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_dir()


def _paths(folder: Path) -> tuple[Path, ...]:
    return tuple(folder / path for path in list_images(folder))


def _side_by_side(folder: Path) -> tuple[tuple[Path, Path], ...]:
    paths = _paths(folder)
    # The width in the first header refuses half of all folders of single images before training.
    half_width(images.header(paths[0]).width, paths[0])
    return tuple((path, path) for path in paths)


def _match(folder_a: Path, folder_b: Path, scale: int = 1) -> tuple[tuple[Path, Path], ...]:
    a, b = _unique_stems(folder_a), _unique_stems(folder_b)
    if scale > 1:
        a = without_scale(a, b, scale)
        b = without_scale(b, a, scale)
    missing = [path for stem, path in a.items() if stem not in b] + [path for stem, path in b.items() if stem not in a]
    if missing:
        raise ValueError(
            f"{folder_a} and {folder_b}: {len(missing)} of {len(a) + len(b)} images have no partner of the same name in"
            f" the other folder: {_first(missing, 3)}"
        )
    return tuple((path, b[stem]) for stem, path in a.items())


def _unique_stems(folder: Path) -> dict[Path, Path]:
    stems = by_stem(list_images(folder))
    for first, *others in stems.values():
        if others:
            raise ValueError(
                f"{folder / others[0]} and {first.name} have the same name, so the partner is ambiguous; keep one"
            )
    return {stem: folder / path for stem, (path,) in stems.items()}


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
