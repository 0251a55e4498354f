"""Data-parallel training: every rank has a shard of every batch, and all ranks have the same weights.

torchrun starts the ranks, on one machine or on many, and describes the process group in the environment; `i2i train
--processes` does that for one machine. A step sees what it would see in one process: `train.batch_size` images. Batch
norm statistics, image pools and random numbers are each rank's own.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from i2i.devices import choose_device

_TIMEOUT = timedelta(days=1)  # ranks wait in a collective while the main one measures and saves


class RankFailed(ArithmeticError):
    """A collective failed because another rank has ended."""


class World:
    """The process group: this process's `rank` among `size`, and the collectives, which all ranks must call in the same
    order. A world of one rank communicates with nobody.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which logs, draws samples and saves."""
        return self.rank == 0

    def shard(self, batch_size: int) -> slice:
        """This rank's contiguous part of a batch. Raises ValueError where ranks cannot have equal parts."""
        if batch_size % self.size:
            raise ValueError(
                f"train.batch_size = {batch_size} cannot be shared by {self.size} processes; allowed: multiples of "
                f"{self.size}, for example --set train.batch_size={-(-batch_size // self.size) * self.size}"
            )
        share = batch_size // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    @property
    def round_robin(self) -> slice:
        """Every `size`-th item of a sequence, from the `rank`-th on."""
        return slice(self.rank, None, self.size)

    def all_reduce_mean(self, tensors: Sequence[Tensor]) -> None:
        """Collective: replace each tensor by its mean over ranks, in place. Shapes and types agree between ranks."""

        def mean(flat: Tensor) -> None:
            dist.all_reduce(flat)
            flat /= self.size

        self._flattened(tensors, mean)

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        """Collective: the sum of a tensor over ranks."""
        total = tensor.detach().clone()
        self._flattened([total], dist.all_reduce)
        return total

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Collective: replace each tensor by rank 0's, in place."""
        self._flattened(tensors, lambda flat: dist.broadcast(flat, src=0))

    def any_rank(self, flag: bool) -> bool:
        """Collective: logical OR of a flag over all ranks."""
        if self.size == 1:
            return flag
        count = torch.tensor(float(flag))
        with _failures_of_ranks():
            dist.all_reduce(count)
        return bool(count)

    def barrier(self) -> None:
        """Collective: return when all ranks have called it."""
        self.any_rank(False)

    def gather(self, value: Any) -> list[Any]:
        """Collective: the values of all ranks in their order, with tensors on the CPU, on rank 0; [] on the others.
        `value` is tensors, numbers and texts in lists and dicts.
        """
        if self.size == 1:
            return [value]
        serialised = BytesIO()
        torch.save(value, serialised)
        values: list[bytes | None] = [None] * self.size
        with _failures_of_ranks():
            dist.gather_object(serialised.getvalue(), values if self.is_main else None)
        return [torch.load(BytesIO(each), map_location="cpu", weights_only=True) for each in values if each]

    @torch.no_grad()
    def _flattened(self, tensors: Sequence[Tensor], collective: Callable[[Tensor], Any]) -> None:
        """One message for all tensors of a type: hundreds of small ones would each wait for the slowest rank."""
        if self.size == 1:
            return
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            same = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in same])
            with _failures_of_ranks():
                collective(flat)
            for tensor, values in zip(same, flat.split([tensor.numel() for tensor in same]), strict=True):
                tensor.copy_(values.view_as(tensor))


SINGLE_PROCESS = World()


@contextmanager
def init_world(device: str) -> Iterator[tuple[World, torch.device]]:
    """Join the process group that torchrun describes, if it does, and choose this rank's device: with several GPUs each
    rank has its own.

    Raises ValueError for a device that is not there or that ranks cannot share.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        yield SINGLE_PROCESS, choose_device(device)
        return
    chosen = _rank_device(device, size)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo", timeout=_TIMEOUT)
    yield World(dist.get_rank(), size), chosen
    dist.destroy_process_group()  # not after an error, when other ranks may be gone and it would wait for them


def _rank_device(name: str, size: int) -> torch.device:
    if name in ("auto", "cuda") and torch.cuda.is_available():
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    elif name not in ("auto", "cuda", "cpu"):
        raise ValueError(
            f"device {name!r} for {size} processes is refused; choose from: auto, cuda (a GPU for each), cpu"
        )
    return choose_device("cpu" if name == "auto" else name)


@contextmanager
def _failures_of_ranks() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RankFailed(f"another process has ended ({str(error).splitlines()[0][:100]})") from error
