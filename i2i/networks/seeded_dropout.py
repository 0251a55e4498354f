"""Dropout at test time whose random numbers are a call's own, whatever else draws numbers in the process."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

_RANDOM: ContextVar[torch.Generator] = ContextVar("random numbers of dropout")


class SeededDropout(nn.Dropout):
    """Dropout by the random numbers of `seeded_dropout`, and outside of it by those of the process.

    On a CPU a seed gives the masks that it gives `nn.Dropout`. Shapes: any -> the same.
    """

    def forward(self, values: Tensor) -> Tensor:
        random = _RANDOM.get(None)
        if random is None or not self.training or not 0 < self.p < 1:
            return super().forward(values)
        kept = torch.empty_like(values).bernoulli_(1 - self.p, generator=random)
        return values * kept.div_(1 - self.p)


@contextmanager
def seeded_dropout(device: torch.device, *, seed: int = 0) -> Iterator[None]:
    """Start the random numbers of dropout in this thread anew, for the calls in the block."""
    token = _RANDOM.set(torch.Generator(device).manual_seed(seed))
    try:
        yield
    finally:
        _RANDOM.reset(token)
