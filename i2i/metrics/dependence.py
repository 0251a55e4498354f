"""Dependence of translations on their sources, by the Mantel correlation of pairwise distances.

Mantel 1967: The Detection of Disease Clustering and a Generalized Regression Approach, Cancer Research 27.
"""

import torch
from torch import Tensor


def dependence(sources: Tensor, outputs: Tensor) -> float:
    """Correlation of the distances between sources with those between their outputs, both (N, ...); higher is better.

    1 where outputs are as far from one another as their sources; 0 where outputs ignore the sources or are all equal.
    Raises ValueError for fewer than three images, and for equidistant sources.
    """
    if len(sources) != len(outputs) or len(sources) < 3:
        raise ValueError(
            f"dependence: {len(sources)} sources and {len(outputs)} outputs; allowed: as many, three or more"
        )
    x, y = (torch.pdist(each.flatten(1).double()) for each in (sources, outputs))
    x, y = x - x.mean(), y - y.mean()
    if not x.any():
        raise ValueError("dependence: all sources are equally far from one another; give others")
    return (x @ y / (x.norm() * y.norm())).item() if y.any() else 0.0
