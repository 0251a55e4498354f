"""Label consistency: segmentations of translated images against the label maps of their sources."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2i.data.labels.class_map import (
    ClassMap,
    check_class_names,
    identity_class_map,
    read_class_map,
    read_class_names,
)
from i2i.data.labels.label_map import read_label_map
from i2i.evaluate.pairs import (
    FilePair,
    ImageMeasures,
    PairReport,
    Pixels,
    Progress,
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
            truth = match_size(self._class_map(labels, printable(pair.partner)), image, pair, resize=resize)
            if (predicted := report.attempt(pair, self._segmenter, image)) is not None:
                indices = self._segmenter_map(predicted, self._segmenter.name)
                counts = confusion_matrix(indices, truth, classes=size)
                report.counts += counts
                report.scores.append(ImageMeasures(pair.name, _measures(counts)))
        return report

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

    `classes` is a file of names; `imagenet` normalises the segmenter's input by ImageNet's mean and deviation. Raises
    ValueError for one of the two alone, and for what cannot be read.
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
    return LabelConsistency(loaded, folder, classes=names, class_map=class_map, segmenter_map=segmenter_map)


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
