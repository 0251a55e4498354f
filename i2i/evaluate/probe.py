"""Linear probe of a discriminator: what it has learned of classes without their labels.

Radford, Metz, Chintala 2016: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks, section 5, https://arxiv.org/abs/1511.06434.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from i2i.evaluate.instruments import Instruments
from i2i.evaluate.result import EvaluationResult
from i2i.metrics.features import FeatureExtractor, features_of_folder
from i2i.metrics.linear_probe import linear_probe
from i2i.metrics.value import MetricValue

_TEST_EVERY = 5  # images of a class


def probe(extractors: Sequence[FeatureExtractor], folder: Path, instruments: Instruments) -> EvaluationResult:
    """Accuracy of a linear classifier on each extractor's features of a folder of classes, one folder each; it learns
    from four of five images of each class, and is tested on the fifth. Raises ValueError for fewer than two classes.
    """
    result = EvaluationResult()
    for extractor in extractors:
        found = features_of_folder(extractor, folder, progress=instruments.progress(f"images seen by {extractor.name}"))
        result.add_failed(found.failed)
        labels = class_numbers(found.files)
        is_test = _held_out(labels)
        accuracy = linear_probe(found.features[~is_test], labels[~is_test], found.features[is_test], labels[is_test])
        note = (
            f"{len(labels.unique())} classes, {int((~is_test).sum())} images to learn from, {int(is_test.sum())} tests"
        )
        result.metrics[f"probe accuracy({extractor.name})"] = MetricValue(accuracy, note=note)
    return result


def class_numbers(files: Sequence[Path]) -> Tensor:
    """The number (N,) of each image's class, which is the first folder of its path, in the order of their names."""
    names = [file.parts[0] if len(file.parts) > 1 else "" for file in files]
    classes = sorted(set(names))
    return torch.tensor([classes.index(each) for each in names])


def _held_out(labels: Tensor) -> Tensor:
    """Which images (N,) are for testing."""
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        is_test[torch.nonzero(labels == label).flatten()[_TEST_EVERY - 1 :: _TEST_EVERY]] = True
    return is_test
