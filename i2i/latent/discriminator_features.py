"""Discriminators as feature extractors of images."""

import hashlib
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.latent.anomaly import last_activations
from i2i.metrics.features import FeatureExtractor
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.value_range import ValueRange

_POOLED = 4  # height and width of each pooled layer


class _OfDiscriminator(FeatureExtractor):
    """Features of a discriminator for images of `size` pixels in `value_range`; those of other sizes are cropped to the
    middle square and resized.
    """

    def __init__(
        self, discriminator: Discriminator, *, size: int, value_range: tuple[float, float], device: str = "cpu"
    ) -> None:
        digest = hashlib.sha256()
        for name, tensor in discriminator.state_dict().items():
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        super().__init__("discriminator", digest.hexdigest(), device)
        self._network = discriminator.eval().requires_grad_(False).to(self.device)
        self._size, self._value_range = size, ValueRange(*value_range)

    def _prepared(self, images: Tensor) -> Tensor:
        images = self._value_range.from_unit(_fitted(images, self._size))
        # A grey image comes as RGB.
        return images.mean(1, keepdim=True) if self._network.in_channels == 1 else images


class LastFeatures(_OfDiscriminator):
    """The input of a discriminator's last layer, flattened; `label` is the class of all images, where it takes one."""

    def __init__(self, discriminator: Discriminator, *, label: int | None = None, **options: Any) -> None:
        super().__init__(discriminator, **options)
        self._label = label

    def extract(self, images: Tensor) -> Tensor:
        labels = None
        if self._network.classes:
            labels = torch.full((len(images),), self._label or 0, device=self.device)
        return last_activations(self._network, self._prepared(images), labels).flatten(1)


class PooledFeatures(_OfDiscriminator):
    """The activations of all convolutions of a discriminator, each max-pooled to 4x4, flattened and concatenated
    (Radford, Metz, Chintala 2016, section 5.1, https://arxiv.org/abs/1511.06434). Raises ValueError for one that gives
    no features or takes labels.
    """

    def __init__(self, discriminator: Discriminator, **options: Any) -> None:
        if not discriminator.has_features or discriminator.classes:
            why = "takes labels" if discriminator.classes else "gives no features of its layers"
            raise ValueError(f"{type(discriminator).__name__} {why}; train one without classes, such as dcgan")
        super().__init__(discriminator, **options)

    def extract(self, images: Tensor) -> Tensor:
        layers = self._network.features(self._prepared(images))
        return torch.cat([F.adaptive_max_pool2d(layer, _POOLED).flatten(1) for layer in layers], dim=1)


class Pixels(FeatureExtractor):
    """The pixels of images as features, which a discriminator's are compared with; `size` is that of the images."""

    def __init__(self, *, size: int) -> None:
        super().__init__("pixels", str(size), "cpu")
        self._size = size

    def extract(self, images: Tensor) -> Tensor:
        return _fitted(images, self._size).flatten(1)


def _fitted(images: Tensor, size: int) -> Tensor:
    """The middle square of images (N, C, H, W), resized."""
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = images[..., top : top + side, left : left + side]
    if side == size:
        return square
    return F.interpolate(square, (size, size), mode="bilinear", antialias=True, align_corners=False)
