"""What a method is handed at every step: tensors with names."""

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Pair(NamedTuple):
    """One scene in both: float32 (batch, channels, height, width) in the value range that the networks declare."""

    source: Tensor
    target: Tensor


class Unpaired(NamedTuple):
    """Images of two domains that share nothing but their place in the batch; tensors as in `Pair`."""

    a: Tensor
    b: Tensor


class Images(NamedTuple):
    """Images of one kind, of one square size."""

    image: Tensor  # as in `Pair`
    label: Tensor  # int64 (batch,): the class of each; 0 where there are no classes


def is_image(field: Tensor) -> bool:
    """Whether a field of a batch holds images, and not one number for each."""
    return field.ndim == 4


class HighResolution(NamedTuple):
    """What a degradation makes pairs of: a low-resolution source for every image, which becomes the target."""

    image: Tensor  # as in `Pair`
    seed: Tensor  # int64 (batch,): a sample's degradation depends on it and on the image alone


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch of the same kind with its tensors on the device."""
    return type(batch)(*(tensor.to(device, non_blocking=True) for tensor in batch))
