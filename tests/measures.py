"""Measures and feature extractors for tests only."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.metrics.features.base import FeatureExtractor


class Means(FeatureExtractor):
    """Feature extractor without weights: mean and deviation of each channel in each quarter of an image."""

    def __init__(self, *, weights: str = "", device: str = "cpu") -> None:
        super().__init__("means", "0", device)

    def extract(self, images: Tensor) -> Tensor:
        quarters = [quarter for half in images.chunk(2, 2) for quarter in half.chunk(2, 3)]
        return torch.cat([torch.cat([each.mean((2, 3)), each.std((2, 3))], 1) for each in quarters], 1)


def normal(count: int, width: int = 6, *, seed: int = 0, shift: float = 0.0) -> Tensor:
    """Standard normal features (count, width), float64, plus a constant `shift`."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, width))) + shift


def texture(image: Tensor) -> Tensor:
    """High-frequency energy of images (N, C, H, W): mean squared Laplacian, (N,); blur lowers it."""
    kernel = image.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).expand(image.shape[1], 1, 3, 3)
    return F.conv2d(image, kernel, groups=image.shape[1]).square().flatten(1).mean(1)


def mean_iou(predicted: Tensor, truth: Tensor, classes: int) -> float:
    """Mean IoU of the classes that occur in either of two integer maps of equal shape."""
    pairs = torch.bincount(truth.flatten() * classes + predicted.flatten(), minlength=classes**2)
    pairs = pairs.reshape(classes, classes)
    intersection = pairs.diagonal()
    union = pairs.sum(0) + pairs.sum(1) - intersection
    return float((intersection[union > 0] / union[union > 0]).mean())
