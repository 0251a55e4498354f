"""Keeping freed memory is asked of the C library where there is one that knows how."""

import platform

import pytest

from i2i.training.memory import keep_freed_memory


def test_the_gnu_c_library_keeps_freed_memory() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_freed_memory() is False
