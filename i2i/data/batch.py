"""What a method is handed at every step: tensors with names."""

from typing import NamedTuple

from torch import Tensor


class Pair(NamedTuple):
    """One scene in both: float32 (batch, channels, height, width) in the value range that the networks declare."""

    source: Tensor
    target: Tensor


class Unpaired(NamedTuple):
    """Images of two domains that share nothing but their place in the batch; tensors as in `Pair`."""

    a: Tensor
    b: Tensor


class HighResolution(NamedTuple):
    """What a degradation makes pairs of: a low-resolution source for every image, which becomes the target."""

    image: Tensor  # as in `Pair`
    seed: Tensor  # int64 (batch,): a sample's degradation depends on it and on the image alone
