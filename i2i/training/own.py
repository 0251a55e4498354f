"""What is each process's own: its random numbers, and what its method remembers beside weights, as pools of images."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


def own_state(method: nn.Module, device: torch.device) -> dict[str, Any]:
    weights = dict(method.named_parameters())
    kept = {name: value for name, value in method.state_dict().items() if name not in weights}
    return {**random_state(device), "kept": kept}


def load_own_state(state: Mapping[str, Any], method: nn.Module, device: torch.device) -> None:
    """The inverse of `own_state`. Raises RuntimeError where it is another method's."""
    method.load_state_dict(state["kept"], strict=False)
    load_random_state(state, device)


def random_state(device: torch.device) -> dict[str, Any]:
    """That of torch's random numbers, on the CPU and on the device."""
    on_device = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return {"random": torch.get_rng_state(), "cuda_random": on_device}


def load_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    torch.set_rng_state(state["random"])
    if device.type == "cuda" and state["cuda_random"]:
        torch.cuda.set_rng_state(state["cuda_random"][0], device)
