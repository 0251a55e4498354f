"""The memory that a method's networks take, counted before they are built."""

from typing import Any

import torch

from i2i import registry
from i2i.devices import preserve_random_state, total_memory
from i2i.recipe.components import build

# Of each parameter, as the usual optimiser keeps it: the weight, its gradient, and Adam's two moments, in float32.
_BYTES = 4 * 4


def check_memory(method: dict[str, Any], device: torch.device) -> None:
    """Raises ValueError where training the networks of a method's table takes more memory than `device` has in all,
    without any image.
    """
    try:
        with torch.device("meta"), preserve_random_state(torch.device("cpu")):
            networks = build(registry.methods, method).players().values()
    except (RuntimeError, NotImplementedError):  # a plugin's constructor may read its weights
        return
    count = sum(weight.numel() for network in networks for weight in network.parameters())
    if (needed := _BYTES * count) > (there := total_memory(device)):
        raise ValueError(
            f"method: networks of {count:,} parameters take {needed / 1e9:,.0f} GB to train, and {device} has "
            f"{there / 1e9:,.0f} GB; choose fewer features, blocks or layers"
        )
