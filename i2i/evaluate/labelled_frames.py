"""Frames of a folder with their label maps, in memory, in one size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.data.labels.class_map import ClassMap
from i2i.data.labels.label_map import read_label_map
from i2i.evaluate.pairs import FilePair, PairReport, Pixels, Progress, find_pairs, read_image, track
from i2i.metrics.segmentation.iou import IGNORE
from i2i.registry import did_you_mean
from i2i_runtime.files import printable

Labels = NDArray[np.uint8]


class LabelledFrames(NamedTuple):
    """Frames, uint8 (N, H, W, 3), and their label maps, uint8 (N, H, W), 255 where a pixel does not count."""

    images: Pixels
    labels: Labels

    def __add__(self, other: "LabelledFrames") -> "LabelledFrames":  # type: ignore[override]
        return LabelledFrames(*(np.concatenate(both) for both in zip(self, other, strict=True)))


@dataclass(frozen=True)
class ScoredClasses:
    """The classes that are trained and scored: the `names` of label maps, some of them merged, some ignored."""

    names: tuple[str, ...]
    index: Labels  # (256,): of each label, 255 where it is ignored

    @classmethod
    def of(cls, names: Sequence[str], *, merge: Sequence[str] = (), ignore: Sequence[str] = ()) -> "ScoredClasses":
        """Classes by name: `merge` holds groups such as `road+pavement`, each of which is one class. Raises ValueError
        for unknown names, and for a class that is named twice.
        """
        groups = [group.split("+") for group in merge]
        named = [name for group in groups for name in group] + list(ignore)
        for place, name in enumerate(named):
            if name not in names:
                raise ValueError(f"no class {name!r}; {did_you_mean(name, names)}")
            if name in named[:place]:
                raise ValueError(f"class {name!r} is merged or ignored twice; name it once")
        group_of = {name: "+".join(group) for group in groups for name in group}
        kept = [group_of.get(name, name) for name in names if name not in ignore]
        scored = tuple(dict.fromkeys(kept))
        if len(scored) < 2:
            raise ValueError(f"{len(scored)} classes are left ({', '.join(scored)}); a segmenter needs two or more")
        index = np.full(IGNORE + 1, IGNORE, np.uint8)
        for label, name in enumerate(names):
            if name not in ignore:
                index[label] = scored.index(group_of.get(name, name))
        return cls(scored, index)


def read_frames(
    frames: Path,
    labels: Path,
    class_map: ClassMap,
    *,
    size: tuple[int, int],
    report: PairReport,
    progress: Progress | None = None,
) -> LabelledFrames:
    """Read the frames of a folder, and their label maps of equal names, resized to `size` (width, height).

    Frames are averaged where they shrink; label maps are resized by nearest neighbour. A frame that cannot be read, or
    whose label map cannot be, is left out, and `report` gets a sentence. Raises ValueError where none is left, for
    missing files, for a label map of another aspect ratio than its frame, and for labels without a class.
    """
    pairs, read = find_pairs(frames, labels, "label map"), []
    for pair in track(pairs, progress):
        if (both := report.attempt(pair, _read, pair, class_map)) is not None:
            # Outside `attempt`: a wrong class or size is a mistake in the set-up, not in one file.
            read.append(_fit(*both, pair, class_map, size))
    if not read:
        raise ValueError(f"{printable(frames)}: none of {len(pairs)} frames can be read; {report.failed[-1]}")
    images, maps = zip(*read, strict=True)
    return LabelledFrames(np.stack(images), np.stack(maps))


def _read(pair: FilePair, class_map: ClassMap) -> tuple[Pixels, NDArray[np.integer]]:
    return read_image(pair.image), read_label_map(pair.partner, in_colour=class_map.in_colour)


def _fit(
    image: Pixels, raw: NDArray[np.integer], pair: FilePair, class_map: ClassMap, size: tuple[int, int]
) -> tuple[Pixels, Labels]:
    """A frame and its class indices in `size`, from its label map as stored."""
    indices = class_map(raw, printable(pair.partner))
    _check_aspect(indices, image, pair)
    shrinks = image.shape[1] > size[0] or image.shape[0] > size[1]
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    truth = cv2.resize(indices, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.uint8), np.asarray(truth, np.uint8)


def _check_aspect(labels: Labels, image: Pixels, pair: FilePair) -> None:
    """Raise ValueError where the sides of a label map and of its frame differ by more than a factor and rounding."""
    (rows, columns), (height, width) = labels.shape, image.shape[:2]
    if abs(rows * width - height * columns) > max(rows, columns, height, width):
        sizes = [f"{columns}x{rows}", f"{width}x{height}"]
        raise ValueError(
            f"{printable(pair.partner)} is {sizes[0]}, but {printable(pair.image)} {sizes[1]}; allowed: equal sizes, "
            "or equal ratios of width and height"
        )
