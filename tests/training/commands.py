"""`i2i train` in processes of its own, for tests that stop, kill and resume it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.waits import HANGS
from tests.worlds import overrides

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "i2i", "train", *map(str, arguments)]


def settings(method: str, *more: str) -> list[str]:
    """The options of a tiny recipe, as words of a command line."""
    return [word for text in overrides(method, *more) for word in ("--set", text)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, timeout=HANGS)


def train(*arguments: object) -> str:
    """What `i2i train` prints; it has to succeed."""
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def started(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed at the end of the block, if it is still there."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([*map(str, words)], env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    timer = threading.Timer(HANGS, process.kill)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    """Read what a process prints until a line has these words."""
    assert process.stdout is not None
    if not any(words in line for line in process.stdout):
        raise AssertionError(f"ended without printing {words!r}: {process.communicate()[1]}")
