"""The rule by which the recorded networks and trajectories got their weights and images: from their names alone."""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def _generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def weights(shapes: Mapping[str, Sequence[int]], prefix: str = "") -> dict[str, Tensor]:
    """A state dict with these original keys and shapes; `prefix` ("G_A.") belongs to a tensor's name, not its key."""
    return {key: torch.from_numpy(_weight(prefix + key, tuple(shape))) for key, shape in shapes.items()}


def _weight(key: str, shape: tuple[int, ...]) -> np.ndarray:
    noise = np.asarray(_generator(key).standard_normal(shape), dtype=np.float32)
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if key.endswith("running_mean"):
        return 0.1 * noise
    if key.endswith("running_var"):
        return 1 + 0.1 * np.abs(noise)
    if len(shape) <= 1:
        return 1 + 0.02 * noise if key.endswith("weight") else 0.01 * noise
    return noise / np.float32(math.sqrt(math.prod(shape[1:])))


def images(name: str, shape: tuple[int, int, int, int], low: float, high: float) -> Tensor:
    """The image batch (N, C, H, W) called `name`, in low..high."""
    rng = _generator(name)
    n, channels, height, width = shape
    blocks = (n, channels, math.ceil(height / 8), math.ceil(width / 8))
    coarse = rng.uniform(low, high, blocks).astype(np.float32).repeat(8, axis=2).repeat(8, axis=3)
    fine = rng.uniform(low, high, shape).astype(np.float32)
    return torch.from_numpy(np.clip(0.8 * coarse[:, :, :height, :width] + 0.2 * fine, low, high))
