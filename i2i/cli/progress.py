"""Progress on long work: one live line on a terminal, plain lines elsewhere."""

import errno
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from i2i_runtime.files import escape_controls
from i2i_runtime.signals import StopSignal, stop_on_signals

if TYPE_CHECKING:
    from i2i.training.reporter import Progress

__all__ = ["ProgressLine", "StageProgress", "StopSignal", "TrainingLine", "clock", "stop_on_signals"]

_LIVE_INTERVAL, _PLAIN_INTERVAL = 0.25, 10.0  # seconds


class ProgressLine:
    """Text that changes in place, as wide as the terminal; without a terminal, a new line every few seconds."""

    def __init__(self, *, silent: bool = False) -> None:
        self._console = Console(highlight=False, quiet=silent)
        self._live = (
            Live(console=self._console, auto_refresh=False, transient=True) if self._console.is_terminal else None
        )
        self._last = 0.0 if self._live else time.monotonic()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live:
            with _without_terminal():
                self._live.stop()

    def update(self, text: Callable[[], str], *, last: bool = False) -> None:
        """Show `text()`, which is called only when it is time."""
        now = time.monotonic()
        if not last and now - self._last < (_LIVE_INTERVAL if self._live else _PLAIN_INTERVAL):
            return
        self._last = now
        if self._live and not last:
            with _without_terminal():
                self._live.update(Text(escape_controls(text())), refresh=True)
        else:
            self.notify(text())

    def notify(self, message: str) -> None:
        """Print a line that stays."""
        with _without_terminal():
            self._console.print(Text(escape_controls(message)), soft_wrap=True)
            sys.stdout.flush()

    def within(self, name: str, share: float) -> None:
        """Show how much of one large item is done, from any thread."""
        self.update(lambda: f"{name}: {share:.0%}")

    def count(self, noun: str) -> Callable[[int, int], None]:
        """A callback (done, total) that shows a count of `noun`."""
        begin = time.monotonic()

        def show(done: int, total: int) -> None:
            seconds = max(time.monotonic() - begin, 1e-9)
            left = f"  {clock((total - done) * seconds / done)} left" if done and total else ""
            self.update(lambda: f"{done:,} of {total:,} {noun}  {done / seconds:,.1f}/s{left}", last=done == total)

        return show


@contextmanager
def _without_terminal() -> Iterator[None]:
    """Go on silently where the terminal was closed: work that is about to be saved must not end for that."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise


class StageProgress:
    """A callback (stage, done, total) for data that are downloaded, unpacked or drawn."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line
        self._stages: dict[str, Callable[[int, int], None]] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        show = self._stages.setdefault(
            stage, self._line.count(f"{'scenes' if stage == 'drawing' else 'bytes'} {stage}")
        )
        show(done, total)


class TrainingLine(ProgressLine):
    """The progress of a run."""

    def progress(self, progress: "Progress") -> None:
        self.update(lambda: _training_text(progress), last=progress.step == progress.steps)


def _training_text(progress: "Progress") -> str:
    players: dict[str, list[str]] = {}
    for name, value in progress.terms().items():
        player, term = name.split(".")
        players.setdefault(player, []).append(f"{term} {value:.3g}")
    losses = "  ".join(f"{player}: {' '.join(terms)}" for player, terms in players.items())
    return (
        f"step {progress.step}/{progress.steps}  {progress.images_per_second:.3g} images/s  "
        f"{clock(progress.seconds_left)} left  {losses}"
    )


def clock(seconds: float) -> str:
    """A duration as 1:02:03 or 2:03."""
    if seconds == float("inf"):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
