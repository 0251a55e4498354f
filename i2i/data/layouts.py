"""Layouts of data sets: which folders hold the domains a and b, for training, validation and testing."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from unicodedata import normalize

from i2i.data.halves import are_side_by_side
from i2i_runtime import images
from i2i_runtime.files import printable

Layout = Literal["auto", "side-by-side", "flat"]

SPLITS = ("train", "test", "val")
_DOMAINS = (("A", "B"), ("LR", "HR"), ("LQ", "GT"), ("low", "high"))
_PHOTOS = "imgs"  # a folder of JoliGEN's layout: trainA/imgs, with masks in trainA/bbox
LABELS = "labels"  # a folder of label maps, beside one of these
FRAMES = ("images", "frames", "imgs", "rgb")
# Side-by-side pairs of the published sets are twice as wide as high.
_SIDE_BY_SIDE = (1.9, 2.1)
PROBED = 32  # images that are read to see whether they are pairs side by side
_NAMED = 4  # groups of files named in a sentence


class Domains(NamedTuple):
    """The folders of a and b in one split; None for one that is missing."""

    a: Path | None
    b: Path | None

    @property
    def is_complete(self) -> bool:
        return None not in self


def child(folder: Path, name: str) -> Path | None:
    """The folder `name` in a folder, whatever the case and Unicode form of its name; None where there is none."""
    if not folder.is_dir():
        return None
    if (folder / name).is_dir():
        return folder / name
    key = normalize("NFC", name).casefold()
    with os.scandir(folder) as entries:  # one per image of a flat folder, so that only folders are compared
        names = [entry.name for entry in entries if entry.is_symlink() or entry.is_dir()]
    found = [name for name in names if normalize("NFC", name).casefold() == key and (folder / name).is_dir()]
    return folder / found[0] if len(found) == 1 else None


def frames_beside_labels(folder: Path) -> Path:
    """The folder images/, frames/ or the like in a folder that has labels/, too; any other folder, and one with train/,
    itself. Raises ValueError where images lie beside labels/, or in several such folders.
    """
    if not child(folder, LABELS) or child(folder, "train"):
        return folder
    found = [path for name in FRAMES if (path := child(folder, name))]
    if len(found) != 1:
        named = " and ".join(f"{path.name}/" for path in found) or "no images/"
        raise ValueError(
            f"{printable(folder)}: {named} beside {LABELS}/; move the images that its label maps belong to into images/"
        )
    return found[0]


def find_labelled_domains(folders: Sequence[Path], layout: Layout = "auto") -> dict[str, Domains]:
    """As `find_domains`, but for the images in images/ where a folder has these beside labels/. Raises ValueError as
    `frames_beside_labels`, too.
    """
    if len(folders) == 2:
        folders = [frames_beside_labels(folder) for folder in folders]
    domains = find_domains(folders, layout)
    return {split: Domains(*(each and frames_beside_labels(each) for each in both)) for split, both in domains.items()}


def find_domains(folders: Sequence[Path], layout: Layout = "auto") -> dict[str, Domains]:
    """The domains' folders by split: those of two folders, or trainA/, train/A/, A/train/, or A/ in one folder.

    Empty for one folder without any of these, of which only the first counts where images are said to lie side by
    side. Raises ValueError where two of them are there at once, and where only one of two folders has a folder train/.
    """
    if len(folders) == 2:
        return _of_two(folders, layout)
    (root,) = folders
    pairs = () if layout == "side-by-side" else _DOMAINS
    beside = {split: Domains(*(child(root, f"{split}{side}") for side in "AB")) for split in SPLITS}
    forms = [{split: _inside(child(root, split), pair) for split in SPLITS} for pair in pairs]
    for pair in pairs:
        a, b = _inside(root, pair)
        forms.append({split: Domains(a and child(a, split), b and child(b, split)) for split in SPLITS})
    found = [form for form in forms if form["train"].is_complete] + [beside] * any(beside["train"])
    if not found:
        found = [{"train": domains} for pair in pairs if (domains := _inside(root, pair)).is_complete]
    if len(found) > 1:
        named = " and ".join(str(path.relative_to(root)) for form in found for path in form["train"][:1] if path)
        raise ValueError(f"{printable(root)}: both {named} hold training images; give the two folders that you mean")
    return {split: _photos(domains) for form in found for split, domains in form.items() if any(domains)}


def _of_two(folders: Sequence[Path], layout: Layout) -> dict[str, Domains]:
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"{printable(folder)}: no such folder")
    has_train = [child(folder, "train") is not None for folder in folders]
    if layout == "flat" or not any(has_train):
        return {"train": Domains(*folders)}
    if not all(has_train):
        one, other = folders if has_train[0] else folders[::-1]
        raise ValueError(
            f"{printable(one)} has a folder train, {printable(other)} has none; give two folders alike, or take all"
            " images in both with --set data.layout=flat"
        )
    splits = {split: Domains(*(child(folder, split) for folder in folders)) for split in SPLITS}
    return {split: domains for split, domains in splits.items() if any(domains)}


def _inside(folder: Path | None, names: Sequence[str]) -> Domains:
    return Domains(*(child(folder, name) if folder else None for name in names))


def _photos(domains: Domains) -> Domains:
    """The folder imgs/ of a domain that has one, beside masks."""
    return Domains(*(folder and (child(folder, _PHOTOS) or folder) for folder in domains))


def check_side_by_side(folder: Path, paths: Sequence[Path], layout: Layout) -> None:
    """Raise ValueError for images that are not twice as wide as high, or whose halves are no plausible pairs, if the
    layout is not said to be side by side.
    """
    if layout == "side-by-side":
        return
    probed = paths[:: max(1, len(paths) // PROBED)]
    headers = [images.header(path) for path in probed]
    low, high = _SIDE_BY_SIDE
    other = [each for each in headers if not low <= each.width / each.height <= high]
    if 2 * len(other) >= len(headers):
        raise ValueError(
            f"{printable(folder)}: images such as {printable(paths[0])} are {headers[0].width}x{headers[0].height}, not"
            " twice as wide as high, so they may not be two images side by side; if they are, add --set"
            " data.layout=side-by-side; if not, give the folders of a and of b"
        )
    if not are_side_by_side(probed):
        raise ValueError(
            f"{printable(folder)}: images such as {printable(paths[0])} are twice as wide as high, but most have no"
            " seam in the middle nor the same edges in both halves, so they may be single images; for pairs side by"
            " side, add --set data.layout=side-by-side; if not, give the folders of a and of b"
        )


def check_single_resolution(folder: Path) -> None:
    """Raise ValueError for a folder of photos in which images of low and of high resolution lie beside each other."""
    for pair in _DOMAINS[1:]:
        low, high = _inside(folder, pair)
        if low and high:
            raise ValueError(
                f"{printable(folder)}: {low.name} and {high.name} in one folder; give {printable(high)} to degrade its"
                f" images, or two folders, {printable(low)} {printable(high)}, for pairs;"
                " --set data.layout=flat takes all images alike"
            )


def summary(counts: str, used: Iterable[Path], roots: Iterable[Path]) -> str:
    """One line of what was found: the counts for training and testing, and the files that are left out, and why."""
    groups, known = Counter[str](), set(used)
    for root in roots:
        groups.update(_group(name) for name in images.list_files(root) if root / name not in known)
    left_out = [f"{count:,} {group}" for group, count in groups.most_common(_NAMED)] + ["..."] * (len(groups) > _NAMED)
    return f"data: {counts}" + (f"; left out: {', '.join(left_out)}" if left_out else "")


def _group(name: Path) -> str:
    """Files that are left out for one reason, in words that a number precedes."""
    if not images.is_image(name):
        return f"{printable(Path(name.suffix or name.name))} (not read as an image)"
    folder = name.parent.as_posix()
    if "val" in folder.casefold():
        reason = "testing has images of its own"
    elif "label" in folder.casefold():
        reason = "label maps"
    else:
        reason = "no part of this layout takes them"
    return f"in {printable(name.parent)}/ ({reason})" if name.parent.parts else f"beside the folders ({reason})"
