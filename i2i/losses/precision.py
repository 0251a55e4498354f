"""Precision in which losses are computed."""

import torch
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32 where it is in half precision, in which means over many logits or pixels are too coarse."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
