"""The classes of label maps: their names, and how many the maps show."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2i.data.labels.class_map import check_class_names, names_of_class_map, read_class_names
from i2i.data.labels.maps import LabelMaps
from i2i.label_maps import IGNORE
from i2i_runtime import images
from i2i_runtime.files import printable

CLASS_NAMES = "classes.txt"  # one name a line, class 0 first
_CHUNK = 256  # label maps that are scheduled at a time
_NOTIFY_EVERY = 1000  # label maps between messages


def find_class_names(given: Sequence[str], class_map: Path | None, folders: Sequence[Path]) -> tuple[str, ...]:
    """Names of the classes: those given; of a class map, from classes.txt beside it or from itself; else those in
    classes.txt in the folders of the label maps, or in the folder above. Empty where there are none.

    Raises ValueError for names that are repeated, and for files that differ.
    """
    if given:
        check_class_names(given, "data.classes")
        return tuple(given)
    if class_map:
        beside = class_map.parent / CLASS_NAMES
        return read_class_names(beside) if beside.is_file() else names_of_class_map(class_map)
    found = {path: read_class_names(path) for folder in folders if (path := _names_beside(folder))}
    if len(set(found.values())) > 1:
        named = " and ".join(map(printable, found))
        raise ValueError(f"{named}: the names of the classes differ; keep one, or set data.classes")
    return next(iter(found.values()), ())


def _names_beside(folder: Path) -> Path | None:
    return next((path for each in (folder, folder.parent) if (path := each / CLASS_NAMES).is_file()), None)


def count_pixels(labels: LabelMaps, notify: Callable[[str], None] = lambda sentence: None) -> NDArray[np.int64]:
    """Pixels of each value 0..255 in all label maps, which are read: int64 (256,).

    `notify` gets a sentence now and then. A damaged file, of an image or its label map, is left out, as training
    replaces it. Raises ValueError for labels without a class, for a label map of another size than its image, and where
    all are damaged.
    """
    counts, damaged = np.zeros(IGNORE + 1, np.int64), list[ValueError]()
    with ThreadPoolExecutor() as pool:
        for number, each in enumerate(_read_all(labels, pool), start=1):
            if isinstance(each, ValueError):
                damaged.append(each)
            else:
                counts += each
            if number % _NOTIFY_EVERY == 0:
                notify(f"label maps: {number:,} of {len(labels.files):,} read")
    if damaged and len(damaged) == len(labels.files):
        raise damaged[0]
    if damaged:
        notify(f"label maps: {len(damaged):,} left out, since they or their images are damaged, such as {damaged[0]}")
    return counts


def _read_all(labels: LabelMaps, pool: ThreadPoolExecutor) -> Iterator[NDArray[np.int64] | ValueError]:
    items = iter(labels.files)
    while chunk := list(islice(items, _CHUNK)):
        yield from pool.map(lambda image: _count(labels, image), chunk)


def _count(labels: LabelMaps, image: Path) -> NDArray[np.int64] | ValueError:
    """Pixels of each value in an image's label map; the error of a damaged file."""
    try:
        header = images.header(image)
    except ValueError as error:
        return error
    try:
        indices = labels.read(image)
    except ValueError as error:
        if _is_damaged(labels.files[image]):
            return error
        raise
    if indices.shape != (header.height, header.width):
        raise ValueError(
            f"{printable(labels.files[image])}: {indices.shape[1]}x{indices.shape[0]} pixels, but its image "
            f"{printable(image)} has {header.width}x{header.height}; allowed: equal sizes"
        )
    return np.bincount(indices.ravel(), minlength=IGNORE + 1)


def _is_damaged(path: Path) -> bool:
    try:
        images.read(path)
    except ValueError:
        return True
    return False


def count_classes(labels: LabelMaps, pixels: NDArray[np.int64], declared: int = 0) -> int:
    """Number of classes: `declared`, else as many as are named, else as many as the label maps show.

    `pixels` are those of each class, by `count_pixels`. Raises ValueError for another number of names, for a class out
    of range, and where all pixels are of one class.
    """
    shown = np.flatnonzero(pixels[:IGNORE]).tolist()
    folder = printable(next(iter(labels.files.values())).parent)
    if len(shown) < 2:
        found = f"one class, {labels.title(shown[0])}" if shown else f"no class but {IGNORE}, which is ignored"
        raise ValueError(f"{folder}: the label maps show {found}; allowed: two classes or more")
    if labels.names and declared not in (0, len(labels.names)):
        raise ValueError(
            f"method.classes = {declared}, but {len(labels.names)} classes are named: {', '.join(labels.names)}; set "
            "it to their number, or to 0"
        )
    count = declared or len(labels.names) or shown[-1] + 1
    if shown[-1] >= count:
        image = next(image for image in labels.files if _largest(labels, image) >= count)
        limit = f"method.classes = {count}" if declared else f"{count} classes are named"
        raise ValueError(
            f"{printable(labels.files[image])}: class {_largest(labels, image)}, but {limit}; "
            f"allowed: 0 to {count - 1}, and {IGNORE} for none"
        )
    return count


def _largest(labels: LabelMaps, image: Path) -> int:
    """The largest class index of an image's label map; 0 where it shows no class."""
    if _is_damaged(labels.files[image]):
        return 0
    indices = labels.read(image)
    return int(indices[indices != IGNORE].max(initial=0))
