"""Linear separability of a generator's latents by the classes of a folder, which a linear classifier of features sees
in its samples.
"""

from pathlib import Path

import torch
from torch import Tensor

from i2i.evaluate.instruments import Instruments
from i2i.evaluate.probe import class_numbers
from i2i.evaluate.result import EvaluationResult
from i2i.latent.sampler import Sampler
from i2i.metrics.features import FeatureExtractor, features_of_folder
from i2i.metrics.linear_probe import fit_classifier
from i2i.metrics.linear_separability import linear_separability
from i2i.metrics.value import MetricValue
from i2i_runtime.images import with_channels

_BATCH = 16
_ENOUGH = 10_000  # samples; the paper takes 200,000


def separability(
    sampler: Sampler, extractor: FeatureExtractor, folder: Path, instruments: Instruments, *, samples: int, seed: int
) -> EvaluationResult:
    """Separability in z, and in w where the generator has such a space, of `samples` by the classes of a folder, one
    folder each. Raises ValueError for fewer than two classes.
    """
    result = EvaluationResult()
    found = features_of_folder(extractor, folder, progress=instruments.progress("images of classes"))
    result.add_failed(found.failed)
    labels = class_numbers(found.files)
    classes = labels.unique()
    if len(classes) < 2:
        raise ValueError(f"{folder}: {len(classes)} classes of images, one folder each; separability needs two or more")
    classify = fit_classifier(found.features, labels[:, None] == classes, strength=1.0)
    z, w, features = _sample(sampler, extractor, instruments, samples, seed)
    scores = classify(features)
    spaces = {"z": z} | ({"w": w} if sampler.generator.linear else {})
    note = f"{len(classes)} classes, {samples} samples" + ": compare it at equal counts only" * (samples < _ENOUGH)
    for space, points in spaces.items():
        value = MetricValue(linear_separability(points, scores), note=note)
        result.metrics[f"separability-{space}({extractor.name})"] = value
    return result


def _sample(
    sampler: Sampler, extractor: FeatureExtractor, instruments: Instruments, samples: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Latents z and points w (N, D) of samples, and features of their images."""
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    count = instruments.progress("samples")
    for first in range(seed, seed + samples, _BATCH):
        seeds = range(first, min(first + _BATCH, seed + samples))
        labels = sampler.labels_of(seeds)
        z = sampler.draw(seeds)
        with torch.inference_mode():
            w = sampler.generator.map(z, torch.tensor(labels, device=sampler.device) if labels else None)
        pictures = [torch.from_numpy(with_channels(each, 3)) for each in sampler(seeds, labels)]
        parts.append((z.cpu(), w.cpu(), extractor(torch.stack(pictures).permute(0, 3, 1, 2)).cpu()))
        count(seeds.stop - seed, samples)
    z, w, features = (torch.cat(part).flatten(1) for part in zip(*parts, strict=True))
    return z, w, features
