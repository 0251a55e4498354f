"""malloc keeps freed memory where it is the GNU C library's."""

import platform
import subprocess
import sys

import pytest

from i2i.training.malloc import keep_freed_memory

# Prints how many pages are fetched anew for a tensor of 32 MiB when one of 64 MiB has been freed.
FREED_AND_ALLOCATED = """
import resource, sys, torch
from i2i.training.malloc import keep_freed_memory
keep_freed_memory() if sys.argv[1] == "keep" else None
torch.ones(16 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(8 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(setting: str) -> int:
    command = [sys.executable, "-c", FREED_AND_ALLOCATED, setting]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    assert page_faults("keep") < 0.2 * page_faults("give back")


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_freed_memory() is False
