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
