"""Does a folder of translated images still show what its sources showed: by labels, by structure, through time.

    segmenter = load_segmenter("segmenter.onnx", mean=IMAGENET_MEAN, std=IMAGENET_STD)
    report = label_consistency(Path("translated"), Path("testA_labels"), segmenter, classes=read_class_names(names))
    print("\\n".join(report.lines()))
    structure_agreement(Path("translated"), Path("testA")).mean()["edge F1"]
    temporal_flicker(Path("translated"), Path("testA")).flicker.ratio

Files are partners if their paths agree but for the suffix. What a segmenter sees in the source itself, or in real
images with labels, is what a translation's figures are to be held against: call the same function with those.
"""

from i2i.consistency.flicker import FlickerReport, temporal_flicker
from i2i.consistency.labels import LabelConsistency, label_consistency
from i2i.consistency.report import Report, Score
from i2i.consistency.structure import structure_agreement

__all__ = [
    "FlickerReport",
    "LabelConsistency",
    "Report",
    "Score",
    "label_consistency",
    "structure_agreement",
    "temporal_flicker",
]
