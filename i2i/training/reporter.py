"""The interface to whatever shows the progress of a run: a terminal's progress line, a notebook, a test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """How far a run is, and how fast. `terms()` returns the mean loss terms since the last log entry; it waits for the
    device.
    """

    step: int
    steps: int
    batch_size: int
    steps_per_second: float
    terms: Callable[[], Mapping[str, float]]

    @property
    def images_per_second(self) -> float:
        return self.steps_per_second * self.batch_size

    @property
    def seconds_left(self) -> float:
        return (self.steps - self.step) / self.steps_per_second if self.steps_per_second else float("inf")


class Reporter(Protocol):
    """Receives the progress and the messages of a run."""

    def progress(self, progress: Progress) -> None:
        """Called after every step."""

    def notify(self, message: str) -> None:
        """Called with a message that deserves a line of its own."""


class NullReporter:
    """Discards progress and messages."""

    def progress(self, progress: Progress) -> None:
        pass

    def notify(self, message: str) -> None:
        pass
