"""Label maps of a data set: beside the images that they belong to, or in the folders that a recipe names.

Beside trainA/ lies trainA_labels/; beside sim/ lies sim_labels/, with train/ and test/ where sim/ has them; and beside
images/, frames/, imgs/ or rgb/ lies labels/.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from i2i.data.folders import SingleFiles, split_files
from i2i.data.labels.match import check_complete, match_label_maps
from i2i.data.layouts import FRAMES, LABELS, SPLITS, Layout, child, find_labelled_domains, frames_beside_labels
from i2i_runtime.files import printable

_SUFFIX = "_labels"

Splits = Mapping[str, Path]  # folder of images for "train", "test" and "val"


class FoundLabels(NamedTuple):
    """Label map of each image of one domain, the folders that these lie in, and those that were looked for."""

    files: dict[Path, Path]
    folders: list[Path]
    looked_for: list[Path]


def find_label_maps(
    splits: Splits, images: Iterable[Path], named: str | None, suffixes: Sequence[str] = ()
) -> FoundLabels:
    """Label maps of the images in the folders of `splits`: beside each of these, or in the folder `named`, if any; an
    empty name is for no label maps.

    A split may have none, but not some. Raises ValueError as `match_label_maps` and `check_complete`, for a folder
    `named` that is not there, and for label maps in two places.
    """
    found, images = FoundLabels({}, [], []), list(images)
    for split, folder in splits.items() if named != "" else ():
        inside = [path for path in images if path.is_relative_to(folder)]
        candidates = _in_named(Path(named).expanduser(), folder, split) if named else _beside(folder, split)
        present = [path for path in candidates if path.is_dir()]
        found.looked_for.extend(candidates)
        if len(present) > 1 and not named:
            raise ValueError(
                f"{printable(folder)}: label maps in {' and in '.join(map(printable, present))}; choose by data.labels"
            )
        if not present or not inside:
            continue
        matched = match_label_maps(folder, inside, present[0], suffixes)
        # Label maps of training images may have the names of test images.
        is_other_split = split != "train" and present[0] in found.folders
        if is_other_split and not (matched and set(found.files.values()).isdisjoint(matched.values())):
            continue
        check_complete(matched, folder, inside, present[0])
        found.files.update(matched)
        found.folders.append(present[0])
    return found


def find_segmentation(folder: Path, layout: Layout) -> tuple[SingleFiles, Splits]:
    """The images of one domain, and their folders by split: train/ and test/, all below a folder, or trainA/ and testA/
    where trainB/ has no label maps, or the reverse. Raises ValueError where it is not clear which images are meant.
    """
    root = folder if layout == "flat" else frames_beside_labels(folder)
    splits = {} if layout == "flat" else _splits(root)
    if layout == "auto" and not splits and (domains := find_labelled_domains([root])):
        sides = [
            {split: each for split, both in domains.items() if (each := both[side])}
            for side in range(2)
            if (train := domains["train"][side]) and any(path.is_dir() for path in _beside(train, "train"))
        ]
        if len(sides) != 1:
            names = " and ".join(path.name for path in domains["train"] if path)
            raise ValueError(
                f"{printable(root)}: {'all' if sides else 'none'} of {names} have label maps beside them; name one "
                "folder of images and one of label maps"
            )
        (splits,) = sides
    splits = splits or {"train": root}
    test = splits.get("test") or splits.get("val")
    return split_files(splits["train"], test), splits


def _splits(root: Path) -> dict[str, Path]:
    """The folders train/, test/ and val/ of a folder that has the first of them."""
    found = {split: frames_beside_labels(path) for split in SPLITS if (path := child(root, split))}
    return found if "train" in found else {}


def _beside(folder: Path, split: str) -> list[Path]:
    """Where label maps may lie beside a folder of images, and no label maps of another split."""
    folder = Path(os.path.abspath(folder))  # not resolved: beside a link, not beside what it leads to
    candidates, above = [folder.with_name(folder.name + _SUFFIX)], folder.parent
    if folder.name.casefold() in FRAMES:
        candidates += [above / LABELS, above.with_name(above.name + _SUFFIX)]
    if folder.name.casefold() == split:
        candidates += [above.with_name(above.name + _SUFFIX) / folder.name, above / LABELS / folder.name]
        if above.name.casefold() in FRAMES:
            candidates.append(above.with_name(LABELS) / folder.name)
    return [_as_written(path) for path in candidates]


def _in_named(named: Path, folder: Path, split: str) -> list[Path]:
    """Where label maps may lie in a folder that a recipe names: by the split's name, or as it is, first come first."""
    if not named.is_dir():
        raise ValueError(f"data.labels: {printable(named)}: no such folder")
    return [_as_written(named / name) for name in (folder.name, folder.name + _SUFFIX, split)] + [named]


def _as_written(path: Path) -> Path:
    """The path, whatever the case of its last name on disk."""
    return child(path.parent, path.name) or path
