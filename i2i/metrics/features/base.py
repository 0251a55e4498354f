"""Base class of feature extractors."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class FeatureExtractor(ABC):
    """Pretrained network that maps images to feature vectors; a plugin implements `extract`.

    `name` becomes part of metrics' names, `checksum` is that of the weights.
    """

    classes = False  # True for a classifier, which has `logits`

    def __init__(self, name: str, checksum: str, device: str) -> None:
        self.name, self.checksum, self.device = name, checksum, torch.device(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Features (N, D), float32 on the CPU, of images (N, 3, H, W), uint8 or float in [0, 1], of any size.

        Raises ValueError for other shapes.
        """
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise ValueError(f"{self.name}: images of shape {tuple(images.shape)}; allowed: (N, 3, H, W)")
        scale = 255 if images.dtype == torch.uint8 else 1
        with torch.no_grad():
            return self.extract(images.to(self.device, torch.float32) / scale).float().cpu()

    @abstractmethod
    def extract(self, images: Tensor) -> Tensor:
        """Features (N, D) of images (N, 3, H, W), float32 in [0, 1], on `device`; resizes them as the network needs."""

    def logits(self, features: Tensor) -> Tensor:
        """Logits (N, classes) of features (N, D). Raises ValueError where the network is no classifier."""
        raise ValueError(f"{self.name}: is no classifier")
