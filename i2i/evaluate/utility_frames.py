"""The folders that `evaluate utility` compares, read into memory in one size and with the same classes."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from i2i.data.labels.class_map import ClassMap, identity_class_map, read_class_map, read_class_names
from i2i.data.labels.classes import find_class_names
from i2i.evaluate.labelled_frames import LabelledFrames, ScoredClasses, read_frames
from i2i.evaluate.pairs import PairReport, Progress
from i2i.evaluate.utility import REAL, SOURCE, UtilityFrames
from i2i.metrics.segmentation.iou import IGNORE
from i2i_runtime import images
from i2i_runtime.files import printable

_WIDTH, _MULTIPLE = 128, 16  # pixels, of frames where no size is given


class LabelledFolder(NamedTuple):
    """A folder of frames, and that of their label maps."""

    frames: Path
    labels: Path
    class_map: Path | None = None


def open_utility_frames(
    source: LabelledFolder,
    translated: Mapping[str, Path],
    real: LabelledFolder,
    real_train: LabelledFolder | None = None,
    *,
    classes: Path | None = None,
    merge: Sequence[str] = (),
    ignore: Sequence[str] = (),
    size: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> UtilityFrames:
    """Read all frames with their label maps; those of the translations are the source's.

    `classes` is a file of names (default: those of its class map, or in classes.txt at its label maps, else the numbers
    in these); `merge` and `ignore` as in `ScoredClasses.of`. `size` is (width, height) of all frames in pixels; by
    default 128 wide, in the shape of the first real frame. Files that cannot be read are left out and named. Raises
    ValueError for what is missing, does not fit together, or shows no class that is scored.
    """
    size = size or _default_size(real.frames)
    names = _names(classes, source)
    folders = {SOURCE: source, f"{REAL} test": real}
    folders |= {name: source._replace(frames=folder) for name, folder in translated.items()}
    folders |= {f"{REAL} train": real_train} if real_train else {}
    report = PairReport()
    read = {
        name: read_frames(
            each.frames, each.labels, _class_map(each, names), size=size, report=report, progress=progress
        )
        for name, each in folders.items()
    }
    names = names or _numbers(read.values())
    scored = ScoredClasses.of(names, merge=merge, ignore=ignore)
    sets = {name: LabelledFrames(each.images, scored.index[each.labels]) for name, each in read.items()}
    for name, each in sets.items():
        if (each.labels == IGNORE).all():
            raise ValueError(f"{printable(folders[name].labels)}: shows none of the classes {', '.join(scored.names)}")
    return UtilityFrames(
        sets[SOURCE],
        {name: sets[name] for name in translated},
        sets[f"{REAL} test"],
        scored.names,
        sets.get(f"{REAL} train"),
        list(dict.fromkeys(report.failed)),
    )


def _names(classes: Path | None, source: LabelledFolder) -> tuple[str, ...]:
    """Names of the classes; empty where no file has them."""
    return read_class_names(classes) if classes else find_class_names((), source.class_map, [source.labels])


def _class_map(folder: LabelledFolder, names: Sequence[str]) -> ClassMap:
    if folder.class_map is None:
        return identity_class_map(len(names) or IGNORE)
    if not names:
        raise ValueError(f"{printable(folder.class_map)}: a class map needs the names of the classes (--classes)")
    return read_class_map(folder.class_map, names)


def _numbers(sets: Iterable[LabelledFrames]) -> tuple[str, ...]:
    """The classes by number, up to the largest in any map."""
    largest = max(int(each.labels[each.labels != IGNORE].max(initial=0)) for each in sets)
    return tuple(map(str, range(largest + 1)))


def _default_size(frames: Path) -> tuple[int, int]:
    names = images.list_images(frames)
    if not names:
        raise ValueError(f"{printable(frames)}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    for name in names:
        with suppress(ValueError):  # a damaged file
            height, width = images.header(frames / name)[:2]
            return _WIDTH, max(1, round(_WIDTH * height / width / _MULTIPLE)) * _MULTIPLE
    raise ValueError(f"{printable(frames)}: none of {len(names)} images can be read")
