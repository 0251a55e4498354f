"""Feature extractors by name: pretrained networks whose features metrics compare."""

from pathlib import Path
from typing import Any

from i2i.metrics.features.base import FeatureExtractor
from i2i.metrics.features.classifier import TorchvisionClassifier, list_classifiers
from i2i.metrics.features.dinov2 import DinoV2
from i2i.metrics.features.folder import FolderFeatures, features_of_folder
from i2i.metrics.features.inception import Inception
from i2i.registry import did_you_mean, features

__all__ = ["DinoV2", "FeatureExtractor", "FolderFeatures", "Inception", "features_of_folder", "open_extractor"]


def open_extractor(name: str = "inception", weights: Path | str | None = None, device: str = "cpu") -> FeatureExtractor:
    """Open the feature extractor `inception` (FID's), `dinov2_vits14` and so on, a plugin's, or a torchvision
    classifier such as `squeezenet1_1`, with its published weights or those in the file `weights`.

    Raises ValueError for an unknown name, and for missing weights or packages.
    """
    if name in features:
        kind: Any = features[name]
        return kind(weights=str(weights or ""), device=device)
    model = name.removeprefix("torchvision/")
    if model not in list_classifiers():
        raise ValueError(f"unknown feature extractor {name!r}; {did_you_mean(name, [*features, *list_classifiers()])}")
    return TorchvisionClassifier(model=model, weights=str(weights or ""), device=device)
