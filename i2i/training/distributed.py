"""Several processes that train one run together: each has a part of every batch, all have the same weights.

torchrun starts them, on one machine or on many, and tells them of one another through the environment; `i2i train
--processes` does that for one machine. A step sees what it would see in one process: `train.batch_size` images. Batch
norm, pools of earlier images and everything else that a method remembers are each process's own.
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

_PATIENCE = timedelta(days=1)  # for the first one, which measures and saves while the others wait


class Lost(ArithmeticError):
    """Another process has ended."""


class Processes:
    """This one is number `rank` of `count`, the first has number 0. Alone it asks nobody."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @property
    def is_first(self) -> bool:
        """Whether this is the one that logs, draws samples and saves."""
        return self.rank == 0

    def part(self, batch_size: int) -> slice:
        """This one's part of a batch. Raises ValueError where it cannot be shared."""
        if batch_size % self.count:
            raise ValueError(
                f"train.batch_size = {batch_size} cannot be shared by {self.count} processes; allowed: multiples of "
                f"{self.count}, for example --set train.batch_size={-(-batch_size // self.count) * self.count}"
            )
        share = batch_size // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    @property
    def turns(self) -> slice:
        """This one's part of things that are shared in turns."""
        return slice(self.rank, None, self.count)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Make each the mean of everyone's, which are of the same shapes and the same type."""

        def mean(flat: Tensor) -> None:
            dist.all_reduce(flat)
            flat /= self.count

        self._at_once(tensors, mean)

    def total(self, tensor: Tensor) -> Tensor:
        """The sum of everyone's."""
        means = tensor.detach().clone()
        self.average([means])
        return means * self.count

    def follow_first(self, tensors: Sequence[Tensor]) -> None:
        """Make each what the first one has."""

        def copy(flat: Tensor) -> None:
            dist.broadcast(flat, src=0)

        self._at_once(tensors, copy)

    def any(self, flag: bool) -> bool:
        """Whether anyone says so."""
        if self.count == 1:
            return flag
        said = torch.tensor(float(flag))
        with _noticing():
            dist.all_reduce(said)
        return bool(said)

    def wait(self) -> None:
        """Until all are here."""
        self.any(False)

    def gather(self, value: Any) -> list[Any]:
        """Everyone's, in order and with tensors on the CPU, for the first one; nothing for the others. `value` is
        tensors, numbers and texts in lists and dicts.
        """
        if self.count == 1:
            return [value]
        packed = BytesIO()
        torch.save(value, packed)
        values: list[bytes | None] = [None] * self.count
        with _noticing():
            dist.gather_object(packed.getvalue(), values if self.is_first else None)
        return [torch.load(BytesIO(each), map_location="cpu", weights_only=True) for each in values if each]

    @torch.no_grad()
    def _at_once(self, tensors: Sequence[Tensor], act: Callable[[Tensor], None]) -> None:
        """By one message for all tensors of a type: each of hundreds would be waited for."""
        if self.count == 1:
            return
        for kind in dict.fromkeys(tensor.dtype for tensor in tensors):
            alike = [tensor for tensor in tensors if tensor.dtype == kind]
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in alike])
            with _noticing():
                act(flat)
            for tensor, values in zip(alike, flat.split([tensor.numel() for tensor in alike]), strict=True):
                tensor.copy_(values.view_as(tensor))


ALONE = Processes()


@contextmanager
def joined(device: str) -> Iterator[tuple[Processes, torch.device]]:
    """The processes that torchrun has started, or this one alone, and its device. With several GPUs each has its own.

    Raises ValueError for a device that is not there or cannot be shared.
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield ALONE, choose_device(device)
        return
    chosen = _own_device(device, count)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo", timeout=_PATIENCE)
    yield Processes(dist.get_rank(), count), chosen
    dist.destroy_process_group()  # after an error the others may not be there to take leave of


def _own_device(name: str, count: int) -> torch.device:
    if name in ("auto", "cuda") and torch.cuda.is_available():
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    elif name not in ("auto", "cuda", "cpu"):
        raise ValueError(
            f"device {name!r} for {count} processes is refused; choose from: auto, cuda (a GPU for each), cpu"
        )
    return choose_device("cpu" if name == "auto" else name)


@contextmanager
def _noticing() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise Lost(f"another process has ended ({str(error).splitlines()[0][:100]})") from error
