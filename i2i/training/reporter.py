"""Who looks on while a run trains, and what they are shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """Where a run is. `terms()` gives the mean loss terms since the last log entry; asking waits for the device."""

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


class Watch(Protocol):
    """Somebody who looks on: a progress line, a test."""

    def progress(self, progress: Progress) -> None:
        """Called after every step."""

    def say(self, message: str) -> None:
        """Something worth a line of its own."""


class Quiet:
    """A watch that looks away."""

    def progress(self, progress: Progress) -> None:
        pass

    def say(self, message: str) -> None:
        pass
