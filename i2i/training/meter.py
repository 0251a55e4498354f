"""Means of the loss terms, and the rate, between two log entries."""

import time
from collections.abc import Mapping

from torch import Tensor


class Meter:
    """Means of the loss terms, and the rate, since the last log entry; terms stay on their device until they are asked
    for.
    """

    def __init__(self) -> None:
        self.restart()
        self._rate = 0.0

    def add(self, terms: Mapping[str, Tensor]) -> None:
        for name, term in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + term
            self._counts[name] = self._counts.get(name, 0) + 1
        self._steps += 1

    def means(self) -> dict[str, float]:
        return {name: float(total) / self._counts[name] for name, total in self._sums.items()}

    def rate(self) -> float:
        """Steps per second; samples and checkpoints are not counted as training."""
        if self._steps:
            self._rate = self._steps / max(time.monotonic() - self._since, 1e-9)
        return self._rate

    def restart(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._counts: dict[str, int] = {}
        self.restart_clock()

    def restart_clock(self) -> None:
        self._steps, self._since = 0, time.monotonic()
