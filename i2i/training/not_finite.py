"""Detection of loss terms that are not finite, without waiting for the device at every step."""

from collections.abc import Mapping

import torch
from torch import Tensor

_NEVER = 2**62
_UPDATES = 2**20  # more than a step has


class NotFinite(ArithmeticError):
    """A loss term is infinite or no number; says which and when."""


class FiniteCheck:
    """Remembers, on the device, at which step each loss term was not finite first; `check` looks at it."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, tuple[str, ...]], Tensor] = {}
        self._moment = (0, 0)  # the step, and its updates so far

    def record(self, step: int, player: str, terms: Mapping[str, Tensor]) -> None:
        """Add the loss terms of one update of a step, which is counted from 1."""
        self._moment = step, self._moment[1] + 1 if step == self._moment[0] else 0
        now = self._moment[0] * _UPDATES + self._moment[1]
        first = torch.stack([torch.where(term.isfinite(), _NEVER, now) for term in terms.values()])
        key = player, tuple(terms)
        self._first[key] = torch.minimum(self._first[key], first) if key in self._first else first

    def check(self) -> None:
        """Raise NotFinite, naming step, player and terms, where a term was not finite; waits for the device."""
        moments = torch.cat(list(self._first.values())).tolist() if self._first else []
        earliest = min(moments, default=_NEVER)
        if earliest == _NEVER:
            return
        names = [(player, name) for player, terms in self._first for name in terms]
        bad = [name for name, moment in zip(names, moments, strict=True) if moment == earliest]
        player, terms = bad[0][0], ", ".join(name for _, name in bad)
        raise NotFinite(f"step {earliest // _UPDATES}: the loss of {player} is not finite in {terms}")
