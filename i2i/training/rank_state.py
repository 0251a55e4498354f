"""What is each process's own: its random numbers, and what its method remembers beside weights, as pools of images."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from i2i.training.distributed import Processes


def own_state(method: nn.Module, device: torch.device, processes: Processes) -> dict[str, Any]:
    """The first process's random numbers (what its method remembers is in its state), and all of each of the `others`,
    which are known to the first one alone.
    """
    random = _random(device)
    if processes.count == 1:
        return {**random, "others": []}
    weights = dict(method.named_parameters())
    kept = {name: value for name, value in method.state_dict().items() if name not in weights}
    return {**random, "others": processes.gather({**random, "kept": kept})[1:]}


def load_own_state(
    state: Mapping[str, Any], method: nn.Module, device: torch.device, processes: Processes, *, seed: int
) -> None:
    """The inverse of `own_state`. `seed` is for random numbers of a process that there was not. Raises RuntimeError
    where the state is another method's.
    """
    others = state.get("others", [])
    if processes.is_first:
        _load_random(state, device)
    elif len(others) == processes.count - 1:
        mine = others[processes.rank - 1]
        method.load_state_dict(mine["kept"], strict=False)
        _load_random(mine, device)
    else:
        torch.manual_seed(seed + processes.rank)


def _random(device: torch.device) -> dict[str, Any]:
    on_device = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return {"random": torch.get_rng_state(), "cuda_random": on_device}


def _load_random(state: Mapping[str, Any], device: torch.device) -> None:
    torch.set_rng_state(state["random"])
    if device.type == "cuda" and state["cuda_random"]:
        torch.cuda.set_rng_state(state["cuda_random"][0], device)
