"""State that differs between ranks: random generators, buffers, image pools."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from i2i.training.distributed import World


def gather_rank_states(method: nn.Module, device: torch.device, world: World) -> dict[str, Any]:
    """Collective: the random states of rank 0 and, as `others`, the random states, buffers and image pools of the other
    ranks in their order, on rank 0; the other ranks get no `others`.
    """
    own = random_state(device)
    if world.size == 1:
        return {**own, "others": []}
    return {**own, "others": world.gather({**own, "kept": buffers(method)})[1:]}


def load_rank_state(
    state: Mapping[str, Any], method: nn.Module, device: torch.device, world: World, *, seed: int
) -> None:
    """Restore this rank's part of `gather_rank_states`. A rank that a saved world of another size did not have draws
    from `seed`. Raises RuntimeError where the buffers are another method's.
    """
    others = state.get("others", [])
    if world.is_main:
        set_random_state(state, device)
    elif len(others) == world.size - 1:
        own = others[world.rank - 1]
        method.load_state_dict(own["kept"], strict=False)
        set_random_state(own, device)
    else:
        torch.manual_seed(seed + world.rank)


def buffers(method: nn.Module) -> dict[str, Any]:
    """The state of a method without its parameters: buffers and extra state such as image pools. Not a copy."""
    parameters = dict(method.named_parameters())
    return {name: value for name, value in method.state_dict().items() if name not in parameters}


def random_state(device: torch.device) -> dict[str, Any]:
    """The states of torch's random generators on the CPU and on a CUDA device."""
    on_device = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return {"random": torch.get_rng_state(), "cuda_random": on_device}


def set_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Restore what `random_state` returned."""
    torch.set_rng_state(state["random"])
    if device.type == "cuda" and state["cuda_random"]:
        torch.cuda.set_rng_state(state["cuda_random"][0], device)
