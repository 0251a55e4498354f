"""VGG19 weights for tests: by the rule of the recorded trajectories, in a file of torchvision's names."""

import math
from pathlib import Path

import safetensors.torch
from torch import Tensor

from tests import golden

SHALLOW = {"conv1_2": 0.1, "conv2_1": 1.0}  # layers that need little of it, in weights and in time
_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


def vgg19_state(convolutions: int = 16) -> dict[str, Tensor]:
    """The first `convolutions` layers' weights."""
    shapes: dict[str, tuple[int, ...]] = {}
    inner, place = 3, 0
    for count, width in _BLOCKS:
        for _ in range(count):
            shapes |= {f"features.{place}.weight": (width, inner, 3, 3), f"features.{place}.bias": (width,)}
            inner, place = width, place + 2
        place += 1  # the pooling
    chosen = dict(list(shapes.items())[: 2 * convolutions])
    state = golden.weights(chosen, "vgg19.")
    return {key: tensor * math.sqrt(2) if tensor.ndim == 4 else tensor for key, tensor in state.items()}


def write_vgg19(file: Path, convolutions: int = 16) -> Path:
    safetensors.torch.save_file(vgg19_state(convolutions), file)
    return file
