"""Pool of training pairs: Wang, Xie, Dong, Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure
Synthetic Data", 2021, section 4.1. https://arxiv.org/abs/2107.10833
"""

from typing import Any

import torch
from torch import nn

from i2i.data.batch import Pair


class PairPool(nn.Module):
    """Pool of `size` training pairs from which batches are mixed, because those of one batch may be degraded alike.

    The first `size` pairs are returned as they are; then every pair is swapped for an earlier one, drawn from torch's
    global generator on the CPU. The pairs survive a resume as extra state. With `size` 0 there is no pool.
    """

    def __init__(self, size: int = 180) -> None:
        super().__init__()
        if size < 0:
            raise ValueError(f"pool = {size} is refused; allowed: 0 (none) or a multiple of the batch size")
        self.size = size
        self._pairs: Pair | None = None
        self._count = 0

    @torch.no_grad()
    def forward(self, batch: Pair) -> Pair:
        """Exchange a batch of pairs for one of the same shapes from the pool.

        Raises ValueError where batches can't fill the pool, or change shape.
        """
        if not self.size:
            return batch
        pairs, count = self._allocate(batch), len(batch.source)
        if self._count < self.size:
            for pool, new in zip(pairs, batch, strict=True):
                pool[self._count : self._count + count] = new
            self._count += count
            return batch
        # The same as shuffling the whole pool and taking its first pairs, which would move 150 MB for 256 pixels.
        chosen = torch.randperm(self.size)[:count].to(batch.source.device)
        old = Pair(*(pool[chosen] for pool in pairs))
        for pool, new in zip(pairs, batch, strict=True):
            pool[chosen] = new
        return old

    def _allocate(self, batch: Pair) -> Pair:
        """The pool, allocated for batches of this shape when the first one comes."""
        if self._pairs is None:
            if self.size % len(batch.source):
                raise ValueError(
                    f"method.pool = {self.size} can't be filled by batches of {len(batch.source)}; "
                    "make it a multiple of train.batch_size, or 0 for none"
                )
            self._pairs = Pair(*(new.new_empty(self.size, *new.shape[1:]) for new in batch))
        for name, pool, new in zip(Pair._fields, self._pairs, batch, strict=True):
            if pool.shape[1:] != new.shape[1:] or self.size % len(new):
                raise ValueError(
                    f"pool: a batch of {name}s of shape {tuple(new.shape)} after others of {tuple(pool.shape[1:])}; "
                    "all must have the same size"
                )
        # After a resume the pairs come from a file.
        self._pairs = Pair(*(pool.to(new) for pool, new in zip(self._pairs, batch, strict=True)))
        return self._pairs

    def get_extra_state(self) -> dict[str, Any]:
        return {"count": self._count, "pairs": None if self._pairs is None else list(self._pairs)}

    def set_extra_state(self, state: Any) -> None:
        self._count = state["count"]
        self._pairs = None if state["pairs"] is None else Pair(*state["pairs"])
