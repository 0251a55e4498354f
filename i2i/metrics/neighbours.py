"""Nearest neighbours in feature space, exact and block by block."""

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 2048  # features by features whose distances are in memory at a time: 34 MB


class NearestNeighbours(NamedTuple):
    """Nearest neighbour of each of N queries: distances (N,), and indices among the references (N,)."""

    distances: Tensor
    indices: Tensor


def nearest_neighbours(queries: Tensor, references: Tensor, *, skip: int = 0) -> NearestNeighbours:
    """Nearest of the references (M, D) to each of the queries (N, D), Euclidean, in float64.

    `skip` 1 leaves out the query itself where both sets are one. Raises ValueError like `centre`.
    """
    queries, references = centre(queries, references, at_least=skip + 1)
    squared, indices = k_nearest(queries, references, skip + 1)
    return NearestNeighbours(squared[:, skip].clamp(min=0).sqrt(), indices[:, skip])


def centre(x: Tensor, y: Tensor, *, at_least: int) -> tuple[Tensor, Tensor]:
    """Both sets of features in float64, less the mean of the second: distances stay, and keep their digits.

    Raises ValueError for fewer images than `at_least`, and for features of different dimension.
    """
    if min(len(x), len(y)) < at_least or x.shape[1:] != y.shape[1:] or x.ndim != 2:
        raise ValueError(
            f"features of shapes {tuple(x.shape)} and {tuple(y.shape)} cannot be compared by {at_least - 1}"
            f" neighbours; allowed: (N, D) and (M, D) with N and M of {at_least} or more"
        )
    mean = y.mean(0, dtype=torch.float64)
    return x.double() - mean, y.double() - mean


def k_nearest(queries: Tensor, references: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Squared distances of each query to its k nearest references, ascending, and their indices: (N, k) each."""
    found = [_k_nearest_of_block(block, references, k) for block in queries.split(BLOCK)]
    return torch.cat([squared for squared, _ in found]), torch.cat([indices for _, indices in found])


def _k_nearest_of_block(queries: Tensor, references: Tensor, k: int) -> tuple[Tensor, Tensor]:
    best = queries.new_empty(len(queries), 0)
    indices = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    for start, block in zip(range(0, len(references), BLOCK), references.split(BLOCK), strict=True):
        squared = squared_distances(queries, block)
        found = squared.topk(min(k, squared.shape[1]), dim=1, largest=False)
        candidates = torch.cat([best, found.values], 1), torch.cat([indices, found.indices + start], 1)
        best, kept = candidates[0].topk(min(k, candidates[0].shape[1]), dim=1, largest=False)
        indices = candidates[1].gather(1, kept)
    return best, indices


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances of (N, D) and (M, D): (N, M)."""
    return x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T
