"""What every feature extractor is."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Extractor(ABC):
    """A trained network that sees images as vectors: `name` is what metrics carry, `checksum` that of its weights."""

    classes = False  # whether it has `logits`

    def __init__(self, name: str, checksum: str, device: str) -> None:
        self.name, self.checksum, self.device = name, checksum, torch.device(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), uint8 or float in [0, 1], of any size -> features (N, D), float32 on the CPU.

        Raises ValueError for other shapes.
        """
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise ValueError(f"{self.name}: images of shape {tuple(images.shape)}; allowed: (N, 3, H, W)")
        scale = 255 if images.dtype == torch.uint8 else 1
        with torch.no_grad():
            return self.look(images.to(self.device, torch.float32) / scale).float().cpu()

    @abstractmethod
    def look(self, images: Tensor) -> Tensor:
        """The features (N, D) of images (N, 3, H, W), float32 in [0, 1], on `device`; resizes them as it needs."""

    def logits(self, features: Tensor) -> Tensor:
        """What a classifier makes of its own features (N, D): (N, classes). Raises ValueError if it is none."""
        raise ValueError(f"{self.name}: sees no classes")
