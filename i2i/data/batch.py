"""The batches that methods train on: tensors with names."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Pair(NamedTuple):
    """Images of the same scenes in both domains, float32 (N, C, H, W) in the value range of the networks."""

    source: Tensor
    target: Tensor


class PairAndReal(NamedTuple):
    """Pairs whose target is a teacher's output, with real images of the target's domain; tensors as in `Pair`.

    Real images have nothing in common with the pair but their index, and may be of another size; where there are none,
    `real` is the target. Held-out samples are a `Pair`.
    """

    source: Tensor
    target: Tensor
    real: Tensor


class Unpaired(NamedTuple):
    """Images of two domains that have nothing in common but their index in the batch; tensors as in `Pair`."""

    a: Tensor
    b: Tensor


class LabelledUnpaired(NamedTuple):
    """Images of two domains as in `Unpaired`, with the class of each pixel: uint8 (N, H, W), 255 where there is none.

    A domain without label maps has maps of 255 alone.
    """

    a: Tensor
    b: Tensor
    a_labels: Tensor
    b_labels: Tensor


class Segmentation(NamedTuple):
    """Images with the class of each pixel; tensors as in `LabelledUnpaired`."""

    image: Tensor
    labels: Tensor


class Images(NamedTuple):
    """Square images of one size, and their classes."""

    image: Tensor  # as in `Pair`
    label: Tensor  # int64 (N,); 0 where there are no classes


class HighResolution(NamedTuple):
    """Images of which a degradation makes pairs: the targets, with low-resolution copies of them as sources."""

    image: Tensor  # as in `Pair`
    seed: Tensor  # int64 (N,): a source depends on it and on the image alone


# Fields of images, and the label map that belongs to each; no labels where there are none.
_LABELS_OF: Mapping[type, Mapping[str, str]] = {
    Pair: {"source": "", "target": ""},
    PairAndReal: {"source": "", "target": ""},
    Unpaired: {"a": "", "b": ""},
    LabelledUnpaired: {"a": "a_labels", "b": "b_labels"},
    Segmentation: {"image": "labels"},
    Images: {"image": ""},
    HighResolution: {"image": ""},
}


PAIRED = (Pair, PairAndReal)  # batches in which the target of each source is known
LABELLED = (LabelledUnpaired, Segmentation)  # batches with label maps


def image_fields(batch: type) -> tuple[str, ...]:
    """Names of the fields of a type of batch that are images of a sample, in order; not of one that goes with it, as
    `PairAndReal.real`.
    """
    return tuple(_LABELS_OF[batch])


def image_sizes(batch: Any) -> list[tuple[int, int]]:
    """Height and width of the images of a batch, one for each of its `image_fields`."""
    return [tuple(getattr(batch, field).shape[-2:]) for field in image_fields(type(batch))]


def labels_of(batch: type, field: str) -> str:
    """Name of the field with the label maps of the images in `field`; empty where a batch has none for them."""
    return _LABELS_OF[batch][field]


def is_image(field: Tensor) -> bool:
    """True for a field of images (N, C, H, W), false for label maps (N, H, W) and for one number per image (N,)."""
    return field.ndim == 4


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with its tensors on the device, but for seeds, which are read on the host."""
    moved = type(batch)(*(tensor.to(device, non_blocking=True) for tensor in batch))
    return moved._replace(seed=batch.seed) if isinstance(batch, HighResolution) else moved
