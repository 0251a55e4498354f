"""What a segmenter sees in translated images, against the label maps of their sources."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2i.evaluate.pairs import (
    Pair,
    Pixels,
    Progress,
    Report,
    Score,
    Stop,
    attempt,
    each,
    find_pairs,
    fitted,
    read_image,
)
from i2i.metrics.segmentation.class_map import ClassMap, check_class_names, identity_class_map, read_class_map
from i2i.metrics.segmentation.iou import Counts, confusion_matrix, iou, mean_iou, pixel_accuracy
from i2i.metrics.segmentation.label_map import read_label_map
from i2i.metrics.segmentation.segmenter import Segmenter
from i2i_runtime.files import printable


@dataclass
class LabelConsistency(Report):
    """`counts` are pixels of all images by true class and predicted class, as `confusion` has them."""

    classes: tuple[str, ...] = ()
    counts: Counts = field(default_factory=lambda: np.zeros((0, 1), np.int64))

    def total(self) -> dict[str, float]:
        """mIoU and pixel accuracy over the pixels of all images together; NaN where nothing was measured."""
        return _measures(self.counts)

    def by_class(self) -> dict[str, float]:
        """The IoU of each class; NaN for one that occurs in no map."""
        return dict(zip(self.classes, iou(self.counts).tolist(), strict=True))

    def lines(self) -> list[str]:
        """All of it in words, classes in their order."""
        total, width = self.total(), max(map(len, self.classes), default=0)
        lines = [f"{len(self.scores)} images: mIoU {total['mIoU']:.4f}, pixel accuracy {total['pixel accuracy']:.4f}"]
        shares = self.counts.sum(1) / max(int(self.counts.sum()), 1)
        for (name, value), share in zip(self.by_class().items(), shares, strict=True):
            found = "does not occur" if np.isnan(value) else f"IoU {value:.4f}, {share:.2%} of the labelled pixels"
            lines.append(f"  {name:<{width}}  {found}")
        lines += [f"{self.unused} label maps have no translated image"] * bool(self.unused)
        lines += [f"{len(self.failed)} failed:"] * bool(self.failed) + [f"  {sentence}" for _, sentence in self.failed]
        return lines


def label_consistency(
    translated: Path,
    labels: Path,
    segmenter: Segmenter,
    *,
    classes: Sequence[str] | None = None,
    class_map: Path | None = None,
    segmenter_map: Path | None = None,
    resize: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> LabelConsistency:
    """What a segmenter sees in each translated image, against the label map of its source.

    `classes` names them; without it they are the segmenter's, by number. `class_map` is a file that says which class
    each number or colour of the label maps is, `segmenter_map` which one each of the segmenter's is (`ignore`: none of
    them, which is wrong wherever the truth is one); without, they are class indices, and 255 in label maps does not
    count. Maps of other sizes than their image's are resized, by nearest neighbour, only if `resize`. An image that
    cannot be read or segmented is reported and the rest goes on. Raises ValueError for classes that do not fit, labels
    without a class, other sizes, and images without a label map.
    """
    names = _class_names(classes, segmenter, segmenter_map)
    true_meaning = read_class_map(class_map, names) if class_map else identity_class_map(len(names))
    seen_meaning = _segmenter_meaning(segmenter, segmenter_map, names)
    pairs, unused = find_pairs(translated, labels, "label map")
    report = LabelConsistency(unused=unused, classes=names, counts=np.zeros((len(names), len(names) + 1), np.int64))
    for pair in each(pairs, progress, stop):
        # What is wrong with one file is reported; classes and sizes that do not fit are wrong in all of them.
        both = attempt(report, pair, _read, pair, true_meaning.in_colour)
        if both is None:
            continue
        image, values = both
        truth = fitted(true_meaning(values, printable(pair.partner)), image, pair, resize=resize)
        if (seen := attempt(report, pair, segmenter, image)) is not None:
            counts = confusion_matrix(seen_meaning(seen, segmenter.name), truth, classes=len(names))
            report.counts += counts
            report.scores.append(Score(pair.name, _measures(counts)))
    return report


def _measures(counts: Counts) -> dict[str, float]:
    return {"mIoU": mean_iou(counts), "pixel accuracy": pixel_accuracy(counts)}


def _read(pair: Pair, in_colour: bool) -> tuple[Pixels, NDArray[np.integer]]:
    """The translated image, and what its label map holds."""
    return read_image(pair.image), read_label_map(pair.partner, in_colour=in_colour)


def _class_names(classes: Sequence[str] | None, segmenter: Segmenter, segmenter_map: Path | None) -> tuple[str, ...]:
    if classes is not None:
        check_class_names(classes, "classes")
        return tuple(classes)
    if segmenter.classes is None or segmenter_map is not None:
        reason = "has a map of its own" if segmenter_map else "does not say how many classes it knows"
        raise ValueError(f"segmenter {segmenter.name}: {reason}; give the names of the classes")
    return tuple(map(str, range(segmenter.classes)))


def _segmenter_meaning(segmenter: Segmenter, segmenter_map: Path | None, names: Sequence[str]) -> ClassMap:
    """What the segmenter's classes mean. Raises ValueError, before it has run, where one of them has no meaning."""
    if segmenter_map is None:
        if segmenter.classes not in (None, len(names)):
            raise ValueError(
                f"segmenter {segmenter.name}: knows {segmenter.classes} classes, but {len(names)} are named;"
                " give a map of its classes to these, or another segmenter"
            )
        return identity_class_map(len(names))
    meaning = read_class_map(segmenter_map, names)
    meaning(np.arange(segmenter.classes or 0), f"segmenter {segmenter.name}")
    return meaning
