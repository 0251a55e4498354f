"""Metrics of a set of generated images against a set of real ones, by name: FID, KID, IS, precision, recall, ...

Features are extracted once and serve all metrics:

    extractor = open_extractor("inception")
    fake, real = (features_of_folder(extractor, folder).features for folder in folders)
    measure_sets(["fid", "kid"], extractor, fake, real)
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from i2i.metrics.features import FeatureExtractor
from i2i.metrics.fid import fid
from i2i.metrics.inception_score import inception_score
from i2i.metrics.kid import kid
from i2i.metrics.precision_recall import density_coverage, precision_recall
from i2i.metrics.value import MetricValue
from i2i.registry import did_you_mean

# Number of images below which a value has a note. The authors of FID ask for 10,000; the others are a tenth of what
# papers use, or less.
ENOUGH = {"fid": 10_000, "kid": 100, "is": 5_000, "manifold": 1_000}


def _fid(fake: Tensor, real: Tensor, seed: int) -> tuple[MetricValue]:
    few, notes = min(len(fake), len(real)), []
    if few < ENOUGH["fid"]:
        notes.append(f"too high for {few} images: compare it at equal counts only, {ENOUGH['fid']} or more; or use KID")
    if few <= fake.shape[1]:
        notes.append(f"the covariance of {fake.shape[1]} features is singular for {few} images")
    return (MetricValue(fid(fake, real), note="; ".join(notes)),)


def _kid(fake: Tensor, real: Tensor, seed: int) -> tuple[MetricValue]:
    few = min(len(fake), len(real))
    note = f"{few} images say little: its error is rough itself; compare it from {ENOUGH['kid']} images on"
    return (kid(fake, real, seed=seed)._replace(note=note * (few < ENOUGH["kid"])),)


def _precision_recall(fake: Tensor, real: Tensor, seed: int) -> tuple[MetricValue, ...]:
    return _with_note(fake, real, precision_recall(fake, real))


def _density_coverage(fake: Tensor, real: Tensor, seed: int) -> tuple[MetricValue, ...]:
    return _with_note(fake, real, density_coverage(fake, real))


def _with_note(fake: Tensor, real: Tensor, values: tuple[float, float]) -> tuple[MetricValue, ...]:
    few = min(len(fake), len(real))
    note = f"{few} images outline a manifold coarsely: compare it at equal counts only" * (few < ENOUGH["manifold"])
    return tuple(MetricValue(value, note=note) for value in values)


# Metrics of one group share their computation.
_GROUPS: dict[tuple[str, ...], Callable[[Tensor, Tensor, int], tuple[MetricValue, ...]]] = {
    ("fid",): _fid,
    ("kid",): _kid,
    ("precision", "recall"): _precision_recall,
    ("density", "coverage"): _density_coverage,
}
SET_METRICS = (*(name for group in _GROUPS for name in group), "is")
# These names alone imply the published Inception; other metrics have no agreed network.
_OF_INCEPTION = {"fid": "FID", "kid": "KID", "is": "IS"}


def check_metrics(names: Sequence[str], extractor: FeatureExtractor) -> None:
    """Raise ValueError for an unknown metric, and for the inception score of an extractor without classes."""
    for name in names:
        if name not in SET_METRICS:
            raise ValueError(f"unknown metric {name!r}; {did_you_mean(name, SET_METRICS)}")
    if "is" in names and not extractor.classes:
        raise ValueError(f"is: {extractor.name} is no classifier, which the inception score needs; use inception")


def measure_sets(
    names: Sequence[str], extractor: FeatureExtractor, fake: Tensor, real: Tensor, *, seed: int = 0
) -> dict[str, MetricValue]:
    """Metrics of features (N, D) and (M, D) of the extractor, by full name; `names` are of SET_METRICS.

    `is` is the inception score of the fakes alone. Raises ValueError like `check_metrics`, and for features that no
    metric can use.
    """
    check_metrics(names, extractor)
    _check_features(extractor, fake, real)
    values: dict[str, MetricValue] = {}
    for group, compute in _GROUPS.items():
        if not set(group).isdisjoint(names):
            values |= zip(group, compute(fake, real, seed), strict=True)
    if "is" in names:
        values["is"] = _inception_score(extractor, fake, seed)
    return {full_name(name, extractor): values[name] for name in names}


def full_name(metric: str, extractor: FeatureExtractor) -> str:
    """Full name of a metric: `FID` with the published Inception, else `FID(squeezenet1_1)`."""
    shown = _OF_INCEPTION.get(metric, metric)
    return shown if metric in _OF_INCEPTION and extractor.name == "inception" else f"{shown}({extractor.name})"


def _inception_score(extractor: FeatureExtractor, fake: Tensor, seed: int) -> MetricValue:
    value, error = inception_score(extractor.logits(fake), splits=min(10, len(fake)), seed=seed)
    is_few = len(fake) < ENOUGH["is"]
    return MetricValue(value, error, f"too low for {len(fake)} images: compare it at equal counts only" * is_few)


def _check_features(extractor: FeatureExtractor, fake: Tensor, real: Tensor) -> None:
    for which, features in (("fake", fake), ("real", real)):
        if features.ndim != 2 or len(features) < 2:
            raise ValueError(
                f"{which} images: features of shape {tuple(features.shape)}; allowed: (N, D), N of 2 or more"
            )
        if not torch.isfinite(features).all():
            raise ValueError(f"{which} images: {extractor.name} gives features that are not finite; look at the images")
    if fake.shape[1] != real.shape[1]:
        raise ValueError(f"{fake.shape[1]} and {real.shape[1]} features; use one extractor for both sets")
