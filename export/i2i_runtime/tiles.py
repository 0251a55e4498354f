"""Sizes a network can take: pad an image up to one, and crop the result back."""

import numpy as np
from numpy.typing import NDArray


def pad(batch: NDArray[np.float32], *, multiple_of: int = 1, min_size: int = 1) -> NDArray[np.float32]:
    """(N, C, H, W), reflected at the right and the bottom until H and W are a multiple and not below the minimum."""
    rows, columns = (reflected(size, multiple_of=multiple_of, min_size=min_size) for size in batch.shape[2:])
    return batch[:, :, rows][..., columns]


def reflected(size: int, *, multiple_of: int, min_size: int) -> NDArray[np.intp]:
    """The rows (or columns) of an image of `size`, as indices, that make up the padded one; for arrays and tensors.

    An image smaller than its padding is reflected again and again.
    """
    padded = -(-max(size, min_size) // multiple_of) * multiple_of
    return np.pad(np.arange(size), (0, padded - size), mode="reflect")


def crop(batch: NDArray[np.float32], *, height: int, width: int) -> NDArray[np.float32]:
    """(N, C, H, W) without what `pad` added, given the size it had, times the network's scale."""
    return batch[:, :, :height, :width]
