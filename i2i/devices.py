"""Which device to compute on, and its random numbers."""

from contextlib import AbstractContextManager

import torch


def choose_device(name: str = "auto") -> torch.device:
    """`auto` is CUDA, else Apple's GPU, else the CPU. Raises ValueError where a named device is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device {name!r} cannot be used here ({reason}); choose from: auto, cpu, cuda, cuda:1, …, mps"
        ) from None
    return device


def kept_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """Afterwards torch's random numbers on the CPU and on this device are what they were; not those of others."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
