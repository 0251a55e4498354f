"""Means of the loss terms and the throughput between two log entries."""

import time
from collections.abc import Mapping

from torch import Tensor


class AverageMeter:
    """Averages loss terms over steps, and counts steps per second. Terms stay on their device until `means` is
    called.
    """

    def __init__(self) -> None:
        self._rate = 0.0
        self.reset()

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Count one step with these terms; a step need not have all of them."""
        for name, term in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + term
            self._counts[name] = self._counts.get(name, 0) + 1
        self._steps += 1

    def means(self) -> dict[str, float]:
        """The mean of each term over the steps that had it."""
        return {name: float(total) / self._counts[name] for name, total in self._sums.items()}

    def steps_per_second(self) -> float:
        """The rate since the clock was reset; directly after a reset the rate before it."""
        if self._steps:
            self._rate = self._steps / max(time.monotonic() - self._since, 1e-9)
        return self._rate

    def reset(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._counts: dict[str, int] = {}
        self.reset_clock()

    def reset_clock(self) -> None:
        """Begin to measure the rate anew, so that samples and checkpoints do not count as training."""
        self._steps, self._since = 0, time.monotonic()
