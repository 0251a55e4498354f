"""What a seed of an image from noise stands for, with torch and without it: its latent and its class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LATENTS = "NumPy PCG64"  # how seeds are defined, as folders of samples note it
_CUT = 2.0  # standard deviations, where the truncated normal distribution ends


def latents(seeds: Sequence[int], dimensions: int, *, truncation: float = 1.0) -> NDArray[np.float32]:
    """The latents (N, dimensions) of seeds, normally distributed; with a `truncation` below 1 that many times a normal
    distribution cut off at two standard deviations (Brock et al. 2019, section 3.1, https://arxiv.org/abs/1809.11096):
    less variety, more typical images.
    """
    z = np.empty((len(seeds), dimensions), np.float32)
    for row, seed in zip(z, seeds, strict=True):
        random = np.random.Generator(np.random.PCG64(seed))
        row[:] = random.standard_normal(dimensions)
        if truncation < 1:
            while (far := np.abs(row) > _CUT).any():
                row[far] = random.standard_normal(np.count_nonzero(far))
    return z if truncation == 1 else z * np.float32(truncation)


def labels_of(seeds: Sequence[int], label: int | None, classes: int) -> list[int]:
    """The class of each seed: `label`, or all `classes` in turn; empty where there are none. Raises ValueError for a
    class that the generator does not have.
    """
    if label is not None and not 0 <= label < classes:
        allowed = f"0 to {classes - 1}" if classes else "none, since the generator was trained without classes"
        raise ValueError(f"class {label} is not known; allowed: {allowed}")
    return [seed % classes if label is None else label for seed in seeds] if classes else []


def check_seeds(seeds: Sequence[int], truncation: float) -> None:
    """Raises ValueError for a truncation or a seed out of its range."""
    if not 0 <= truncation <= 1:
        raise ValueError(f"truncation {truncation:g} is refused; allowed: 0 (all alike) to 1 (all variety)")
    if any(not 0 <= seed < 2**63 for seed in seeds):
        raise ValueError(f"seed {min(seeds)} to {max(seeds)} is refused; allowed: whole numbers from 0 to 2 ** 63 - 1")
