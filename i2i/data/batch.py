"""The batches that methods train on: tensors with names."""

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Pair(NamedTuple):
    """Images of the same scenes in both domains, float32 (N, C, H, W) in the value range of the networks."""

    source: Tensor
    target: Tensor


class Unpaired(NamedTuple):
    """Images of two domains that have nothing in common but their index in the batch; tensors as in `Pair`."""

    a: Tensor
    b: Tensor


class Images(NamedTuple):
    """Square images of one size, and their classes."""

    image: Tensor  # as in `Pair`
    label: Tensor  # int64 (N,); 0 where there are no classes


class HighResolution(NamedTuple):
    """Images of which a degradation makes pairs: the targets, with low-resolution copies of them as sources."""

    image: Tensor  # as in `Pair`
    seed: Tensor  # int64 (N,): a source depends on it and on the image alone


def is_image(field: Tensor) -> bool:
    """True for a field of images (N, C, H, W), false for one number per image (N,)."""
    return field.ndim == 4


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with its tensors on the device, but for seeds, which are read on the host."""
    moved = type(batch)(*(tensor.to(device, non_blocking=True) for tensor in batch))
    return moved._replace(seed=batch.seed) if isinstance(batch, HighResolution) else moved
