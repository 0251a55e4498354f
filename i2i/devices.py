"""Choice of a device, its memory, and its random numbers."""

import os
import sys
from contextlib import AbstractContextManager

import torch


def choose_device(name: str = "auto") -> torch.device:
    """The device of a name; "auto" is CUDA, else Apple's GPU, else the CPU. Raises ValueError for a missing device."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # "meta" has no values
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device {name!r} cannot be used here ({reason}); choose from: auto, cpu, cuda, cuda:1, …, mps"
        ) from None
    return device


def total_memory(device: torch.device) -> int:
    """Bytes of memory that a device has in all, free or not."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if not hasattr(os, "sysconf"):  # Windows
        return sys.maxsize
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def preserve_random_state(device: torch.device) -> AbstractContextManager[None]:
    """A context that restores torch's random state of the CPU and of this device at its end."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
