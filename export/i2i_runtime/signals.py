"""How a program ends: by Ctrl-C or another signal at a safe point of long work, and by an error with one sentence."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from i2i_runtime.files import escape_controls

# Ctrl-C, and what ends the jobs of clusters, services and terminals: SIGUSR1 is what Slurm sends before its limit.
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)]


class StopSignal:
    """Whether a signal that ends jobs has arrived, as a function; `signal` is its number, 0 before."""

    signal: int = 0

    def __call__(self) -> bool:
        return self.signal != 0

    def exit_code(self, otherwise: int = 0) -> int:
        """The program's exit code: 128 and the signal where one has arrived, as shells have it."""
        return 128 + self.signal if self.signal else otherwise


@contextmanager
def stop_on_signals(*, quiet: bool = False) -> Iterator[StopSignal]:
    """Let the first Ctrl-C, SIGTERM, SIGHUP or SIGUSR1 end the work at its next safe point, and a later Ctrl-C end it
    at once; the others come twice where a launcher passes on what the whole process group gets.

    The first is printed unless `quiet`. Under nohup SIGHUP stays ignored.
    """
    stop = StopSignal()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.signal:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        stop.signal = number
        if not quiet:
            with suppress(OSError):  # SIGHUP: the terminal is gone
                print("\nstopping after this step; Ctrl-C to stop at once", file=sys.stderr, flush=True)

    previous = {number: signal.signal(number, handle) for number in ENDING if not is_ignored(number)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def is_ignored(number: int) -> bool:
    """Whether nohup has told this program to outlive its terminal, and `number` is what that sends."""
    return signal.Signals(number).name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN


def run_program(run: Callable[[list[str]], int], describe: Callable[[Exception], str]) -> int:
    """Run a command with the arguments of this process and return its exit code.

    An error is printed in the words of `describe` and gives 1; with `--debug`, which `run` does not get, it is raised.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        return run(arguments)
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            raise
        print(f"error: {escape_controls(describe(error))}", file=sys.stderr)
        return 1


def describe_error(error: Exception) -> str:
    """One sentence about an error; one that no code expected names its type."""
    if isinstance(error, ValueError | ArithmeticError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'file system'}: {error.strerror}" if error.strerror else str(error)
    if isinstance(error, MemoryError):
        return "out of memory: use smaller images or --tile"
    words = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {words} (unexpected: run again with --debug for the traceback)"
