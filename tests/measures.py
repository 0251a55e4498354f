"""Measures that only tests take."""

import torch
from torch import Tensor
from torch.nn import functional as F


def texture(image: Tensor) -> Tensor:
    """High-frequency energy of (N, C, H, W) images: mean square of the Laplacian, (N,). Blur lowers it, noise and grain
    raise it.
    """
    kernel = image.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).expand(image.shape[1], 1, 3, 3)
    return F.conv2d(image, kernel, groups=image.shape[1]).square().flatten(1).mean(1)


def mean_iou(predicted: Tensor, truth: Tensor, classes: int) -> float:
    """Mean over the classes that occur of intersection over union; integer maps of equal shape with values below
    `classes`.
    """
    pairs = torch.bincount(truth.flatten() * classes + predicted.flatten(), minlength=classes**2).reshape(
        classes, classes
    )
    intersection = pairs.diagonal()
    union = pairs.sum(0) + pairs.sum(1) - intersection
    return float((intersection[union > 0] / union[union > 0]).mean())
