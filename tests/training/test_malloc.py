"""Keeping freed memory is asked of the C library where there is one that knows how."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from i2i.training.malloc import keep_freed_memory


def test_the_gnu_c_library_keeps_freed_memory() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_freed_memory() is False


GROWN_HEAP = r"""
import ctypes, re
from pathlib import Path
from i2i.training.memory import keep_freed_memory
assert keep_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
middle = library.malloc(ctypes.c_size_t(64 << 20)) + (32 << 20)
for area in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text()):
    first, last = (int(end, 16) for end in area.split()[0].split("-"))
    if first <= middle < last:
        print(*re.search("VmFlags: (.*)", area)[1].split())
"""


def test_the_heap_grows_in_huge_pages_where_there_are_some() -> None:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if platform.libc_ver()[0] != "glibc" or not setting.exists() or "[never]" in setting.read_text():
        pytest.skip("this system has no huge pages to give, or another C library")
    flags = subprocess.run([sys.executable, "-c", GROWN_HEAP], capture_output=True, text=True, check=True).stdout
    assert "hg" in flags.split()  # advised to be in huge pages, see proc(5)
