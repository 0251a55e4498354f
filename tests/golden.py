"""The rule that gave the recorded networks and trajectories their weights, images and noise: from their names alone.

It is followed to the last bit, because whole trajectories amplify one: numbers are rounded to float32 where the
recorder rounds them, and only then may a test convert them to float64.
"""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

LOSSES = 1e-9  # relative, at every step of a trajectory in float64


def weights(shapes: Mapping[str, Sequence[int]], prefix: str = "") -> dict[str, Tensor]:
    """A state dict with these original keys and shapes; `prefix` ("G_A.") belongs to a tensor's name, not its key."""
    return {key: torch.from_numpy(np.asarray(_weight(prefix + key, tuple(shape)))) for key, shape in shapes.items()}


def images(name: str, shape: tuple[int, int, int, int], low: float, high: float) -> Tensor:
    """The image batch (N, C, H, W) called `name`, in low..high, float32."""
    rng = _generator(name)
    n, channels, height, width = shape
    blocks = (n, channels, math.ceil(height / 8), math.ceil(width / 8))
    coarse = rng.uniform(low, high, blocks).astype(np.float32).repeat(8, axis=2).repeat(8, axis=3)
    fine = rng.uniform(low, high, shape).astype(np.float32)
    mixed = np.float32(0.8) * coarse[:, :, :height, :width] + np.float32(0.2) * fine
    return torch.from_numpy(np.clip(mixed, low, high))


def normal(name: str, shape: Sequence[int]) -> Tensor:
    """Latents and noise called `name`, float32."""
    return torch.from_numpy(np.asarray(_normal(name, tuple(shape))))


def assert_recorded(found: Tensor, recording: Mapping[str, np.ndarray], field: str = "output") -> None:
    """Raises AssertionError unless `found`, in float64, is a field of a recording as exactly as that was kept: 1e-9 in
    float64, 1e-6 where it was rounded to float32, 1e-5 where it was also computed in float32.
    """
    expected = torch.from_numpy(recording[field])
    rounded = 1e-6 if "precision" in recording else 1e-5
    tolerance = 1e-9 if expected.dtype == torch.float64 else rounded
    torch.testing.assert_close(found, expected.double(), atol=tolerance, rtol=0)


def fill(network: nn.Module, keys: Mapping[str, str], prefix: str = "") -> None:
    """Load the weights of these original keys, by our keys."""
    state = network.state_dict()
    filled = weights({theirs: state[ours].shape for ours, theirs in keys.items()}, prefix)
    network.load_state_dict({ours: filled[theirs] for ours, theirs in keys.items()})


def check_norms(network: nn.Module, keys: Mapping[str, str], norms: Mapping[str, float]) -> None:
    """The norms of trained weights, by our keys and the original ones, are the recorded ones."""
    state = network.state_dict()
    for ours, theirs in keys.items():
        assert float(state[ours].double().norm()) == pytest.approx(norms[theirs], rel=1e-6, abs=1e-8), theirs


def _generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def _normal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(_generator(name).standard_normal(shape), dtype=np.float32)


def _weight(key: str, shape: tuple[int, ...]) -> np.ndarray:
    noise = _normal(key, shape)
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if key.endswith("running_mean"):
        return np.float32(0.1) * noise
    if key.endswith("running_var"):
        return np.float32(1) + np.float32(0.1) * np.abs(noise)
    if len(shape) <= 1:
        return np.float32(1) + np.float32(0.02) * noise if key.endswith("weight") else np.float32(0.01) * noise
    # One rounding: the division is in double precision.
    return (noise.astype(np.float64) / math.sqrt(math.prod(shape[1:]))).astype(np.float32)
