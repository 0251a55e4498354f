"""Label consistency: segmentations of translated images against the label maps of their sources."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i.data.labels.class_map import (
    ClassMap,
    check_class_names,
    identity_class_map,
    read_class_map,
    read_class_names,
)
from i2i.data.labels.classes import find_class_names
from i2i.data.labels.label_map import read_label_map
from i2i.evaluate.pairs import (
    FilePair,
    ImageMeasures,
    PairReport,
    Pixels,
    Progress,
    files_by_stem,
    find_pairs,
    match_size,
    read_image,
    track,
)
from i2i.evaluate.segmenters import open_segmenter
from i2i.metrics.segmentation.iou import Counts, confusion_matrix, iou, mean_iou, pixel_accuracy
from i2i.metrics.segmentation.segmenter import Segmenter
from i2i_runtime.files import printable


@dataclass
class LabelReport(PairReport):
    """Label consistency of a folder; `counts` is the confusion matrix over the pixels of all images."""

    classes: tuple[str, ...] = ()
    counts: Counts = field(default_factory=lambda: np.zeros((0, 1), np.int64))

    def total(self) -> dict[str, float]:
        """mIoU and pixel accuracy over the pixels of all images; NaN where nothing was measured."""
        return _measures(self.counts)

    def by_class(self) -> dict[str, float]:
        """IoU of each class; NaN for a class that occurs in no map."""
        return dict(zip(self.classes, iou(self.counts).tolist(), strict=True))


class SegmentedFrame(NamedTuple):
    """A translation, uint8 (H, W, 3), its source's label map and that of the segmenter, uint8 (H, W)."""

    image: Pixels
    truth: Pixels
    predicted: Pixels


class LabelConsistency:
    """Metric of label consistency: a segmenter, the folder of the sources' label maps, and the classes of both.

    `classes` are the names (default: the segmenter's, by name or number). `class_map` is a file that gives the class of
    each number or colour in the label maps, `segmenter_map` that of each class of the segmenter; without one they are
    class indices. Raises ValueError for classes that do not fit together.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        folder: Path,
        *,
        classes: Sequence[str] | None = None,
        class_map: Path | None = None,
        segmenter_map: Path | None = None,
    ) -> None:
        self._segmenter, self._folder = segmenter, folder
        self.classes = _class_names(classes, segmenter, segmenter_map)
        self._class_map = (
            read_class_map(class_map, self.classes) if class_map else identity_class_map(len(self.classes))
        )
        self._segmenter_map = _segmenter_class_map(segmenter, segmenter_map, self.classes)

    def measure(self, translated: Path, *, resize: bool = False, progress: Progress | None = None) -> LabelReport:
        """Measure a folder of translations by the label maps of equal names.

        A pixel that the segmenter gives none of the classes is wrong; one whose label is 255 or `ignore` does not
        count. Images that cannot be read or segmented are reported. Raises ValueError for missing label maps, labels
        without a class, and label maps of another size unless `resize`.
        """
        size = len(self.classes)
        report = LabelReport(classes=self.classes, counts=np.zeros((size, size + 1), np.int64))
        for pair in track(find_pairs(translated, self._folder, "label map"), progress):
            if (both := report.attempt(pair, self._read, pair)) is None:
                continue
            image, labels = both
            # Outside `attempt`: a wrong class or size is a mistake in the set-up, not in one file.
            truth = self._truth(labels, image, pair, resize)
            if (predicted := report.attempt(pair, self._segmenter, image)) is not None:
                indices = self._segmenter_map(predicted, self._segmenter.name)
                counts = confusion_matrix(indices, truth, classes=size)
                report.counts += counts
                report.scores.append(ImageMeasures(pair.name, _measures(counts)))
        return report

    def segment(self, file: Path, name: Path, *, resize: bool = False) -> SegmentedFrame:
        """Segment one translation, called `name` in its folder. Raises ValueError like `measure`, and where the file
        cannot be read or segmented.
        """
        pair = FilePair(name, file, files_by_stem(self._folder)[name.with_suffix("")])
        image, labels = self._read(pair)
        predicted = self._segmenter_map(self._segmenter(image), self._segmenter.name)
        return SegmentedFrame(image, self._truth(labels, image, pair, resize), predicted)

    def _truth(self, labels: NDArray[np.integer], image: Pixels, pair: FilePair, resize: bool) -> Pixels:
        """Class indices of a label map in the size of its image."""
        return match_size(self._class_map(labels, printable(pair.partner)), image, pair, resize=resize)

    def _read(self, pair: FilePair) -> tuple[Pixels, NDArray[np.integer]]:
        return read_image(pair.image), read_label_map(pair.partner, in_colour=self._class_map.in_colour)


def open_label_consistency(
    segmenter: str | None,
    folder: Path | None,
    *,
    classes: Path | None = None,
    class_map: Path | None = None,
    segmenter_map: Path | None = None,
    imagenet: bool = False,
) -> LabelConsistency | None:
    """Open a segmenter by name, and label maps; None where neither is given.

    `classes` is a file of names (default: those of the segmenter, or in classes.txt at the label maps); `imagenet`
    normalises the segmenter's input by ImageNet's mean and deviation. Raises ValueError for one of the two alone, for
    classes that differ, and for what cannot be read.
    """
    if segmenter is None and folder is None:
        if classes or class_map or segmenter_map:
            raise ValueError("classes and their maps are for label consistency, which needs --segmenter and --labels")
        return None
    if segmenter is None or folder is None:
        missing = "--labels DIR, the label maps of the sources" if segmenter else "--segmenter FILE"
        raise ValueError(f"label consistency needs {missing}")
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of label maps")
    loaded = open_segmenter(segmenter, imagenet=imagenet)
    names = read_class_names(classes) if classes else None
    if names is None and class_map is None and segmenter_map is None:
        names = _names_beside(folder, loaded)
    return LabelConsistency(loaded, folder, classes=names, class_map=class_map, segmenter_map=segmenter_map)


def _names_beside(folder: Path, segmenter: Segmenter) -> tuple[str, ...] | None:
    """Names of the classes in classes.txt in a folder of label maps, or above it, where they may be the segmenter's.

    Raises ValueError where the segmenter names other classes.
    """
    names = find_class_names((), None, [folder])
    if names and segmenter.class_names and names != segmenter.class_names:
        raise ValueError(
            f"segmenter {segmenter.name}: its classes are {', '.join(segmenter.class_names)}, but those of the label "
            f"maps {', '.join(names)}; say by --classes and --segmenter-map which of them are the same"
        )
    return names if names and segmenter.classes in (None, len(names)) else None


def _measures(counts: Counts) -> dict[str, float]:
    return {"mIoU": mean_iou(counts), "pixel accuracy": pixel_accuracy(counts)}


def _class_names(classes: Sequence[str] | None, segmenter: Segmenter, segmenter_map: Path | None) -> tuple[str, ...]:
    if classes is not None:
        check_class_names(classes, "classes")
        return tuple(classes)
    if segmenter.classes is None or segmenter_map is not None:
        reason = "has a map of its own" if segmenter_map else "does not say how many classes it knows"
        raise ValueError(f"segmenter {segmenter.name}: {reason}; give the names of the classes (--classes)")
    return segmenter.class_names or tuple(map(str, range(segmenter.classes)))


def _segmenter_class_map(segmenter: Segmenter, segmenter_map: Path | None, names: Sequence[str]) -> ClassMap:
    """Class map of the segmenter's classes. Raises ValueError where one of them has no class."""
    if segmenter_map is None:
        if segmenter.classes not in (None, len(names)):
            raise ValueError(
                f"segmenter {segmenter.name}: knows {segmenter.classes} classes, but {len(names)} are named; give a "
                "segmenter of these, or --segmenter-map, which says what its classes mean"
            )
        return identity_class_map(len(names))
    class_map = read_class_map(segmenter_map, names)
    class_map(np.arange(segmenter.classes or 0), f"segmenter {segmenter.name}")
    return class_map
