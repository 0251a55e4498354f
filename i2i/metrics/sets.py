"""Metrics of a set of images against another one, by name, each with the doubt that is due.

Features are extracted once, all metrics are taken of them:

    extractor = open_extractor("inception")
    fake, real = (features_of_folder(extractor, folder).features for folder in folders)
    measure_sets(["fid", "kid"], extractor, fake, real)
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from i2i.metrics.features import Extractor
from i2i.metrics.fid import frechet_distance, statistics
from i2i.metrics.inception_score import inception_score
from i2i.metrics.kid import kernel_distance
from i2i.metrics.precision_recall import density_coverage, precision_recall
from i2i.registry import did_you_mean

# Images, from which on no doubt is noted. The authors of FID ask for 10,000; the others are a tenth of what papers use,
# or less.
ENOUGH = {"fid": 10_000, "is": 5_000, "manifold": 1_000}


class Value(NamedTuple):
    """A figure, its error where the metric tells one (NaN else), and a sentence where it must be read with care."""

    value: float
    error: float = math.nan
    note: str = ""


def _fid(fake: Tensor, real: Tensor, seed: int) -> tuple[Value]:
    value = frechet_distance(statistics(fake), statistics(real))
    few, notes = min(len(fake), len(real)), []
    if few < ENOUGH["fid"]:
        notes.append(f"too high for {few} images: compare it at equal counts only, {ENOUGH['fid']} or more; or use KID")
    if few <= fake.shape[1]:
        notes.append(f"the covariance of {fake.shape[1]} features is singular for {few} images")
    return (Value(value, note="; ".join(notes)),)


def _kid(fake: Tensor, real: Tensor, seed: int) -> tuple[Value]:
    return (Value(*kernel_distance(fake, real, seed=seed)),)


def _precision_recall(fake: Tensor, real: Tensor, seed: int) -> tuple[Value, ...]:
    return tuple(Value(value, note=_of_few(fake, real)) for value in precision_recall(fake, real))


def _density_coverage(fake: Tensor, real: Tensor, seed: int) -> tuple[Value, ...]:
    return tuple(Value(value, note=_of_few(fake, real)) for value in density_coverage(fake, real))


def _of_few(fake: Tensor, real: Tensor) -> str:
    few = min(len(fake), len(real))
    return f"{few} images outline a manifold coarsely: compare it at equal counts only" * (few < ENOUGH["manifold"])


# What is computed together is computed once.
_COMPUTED: dict[tuple[str, ...], Callable[[Tensor, Tensor, int], tuple[Value, ...]]] = {
    ("fid",): _fid,
    ("kid",): _kid,
    ("precision", "recall"): _precision_recall,
    ("density", "coverage"): _density_coverage,
}
SET_METRICS = (*(name for group in _COMPUTED for name in group), "is")
# These names alone mean published Inception; the others have no network that all agree on.
_OF_INCEPTION = {"fid": "FID", "kid": "KID", "is": "IS"}


def check_metrics(names: Sequence[str], extractor: Extractor) -> None:
    """Before any image is looked at. Raises ValueError for an unknown metric, and one of classes without any."""
    for name in names:
        if name not in SET_METRICS:
            raise ValueError(f"unknown metric {name!r}; {did_you_mean(name, SET_METRICS)}")
    if "is" in names and not extractor.classes:
        raise ValueError(f"is: {extractor.name} sees no classes, which the inception score is about; use inception")


def measure_sets(
    names: Sequence[str], extractor: Extractor, fake: Tensor, real: Tensor, *, seed: int = 0
) -> dict[str, Value]:
    """Each metric under its full name: `FID` if the features are Inception's, else `FID(squeezenet1_1)`.

    Legal are the names in SET_METRICS; `is` is the inception score of the fakes alone. `fake` (N, D) and `real` (M, D)
    are the extractor's features. Raises ValueError like `check_metrics`, and for sets of which none can be computed.
    """
    check_metrics(names, extractor)
    _check_features(extractor, fake, real)
    values: dict[str, Value] = {}
    for group, compute in _COMPUTED.items():
        if not set(group).isdisjoint(names):
            values |= zip(group, compute(fake, real, seed), strict=True)
    if "is" in names:
        values["is"] = _inception_score(extractor, fake, seed)
    return {full_name(name, extractor): values[name] for name in names}


def full_name(metric: str, extractor: Extractor) -> str:
    """A metric's name with that of the network, but for what the name alone says."""
    shown = _OF_INCEPTION.get(metric, metric)
    return shown if metric in _OF_INCEPTION and extractor.name == "inception" else f"{shown}({extractor.name})"


def _inception_score(extractor: Extractor, fake: Tensor, seed: int) -> Value:
    value, error = inception_score(extractor.logits(fake), splits=min(10, len(fake)), seed=seed)
    low = len(fake) < ENOUGH["is"]
    return Value(value, error, f"too low for {len(fake)} images: compare it at equal counts only" * low)


def _check_features(extractor: Extractor, fake: Tensor, real: Tensor) -> None:
    for which, features in (("fake", fake), ("real", real)):
        if features.ndim != 2 or len(features) < 2:
            raise ValueError(
                f"{which} images: features of shape {tuple(features.shape)}; allowed: (N, D), N of 2 or more"
            )
        if not torch.isfinite(features).all():
            raise ValueError(f"{which} images: {extractor.name} gives features that are not finite; look at the images")
    if fake.shape[1] != real.shape[1]:
        raise ValueError(f"{fake.shape[1]} and {real.shape[1]} features; use one extractor for both sets")
