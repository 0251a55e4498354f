"""The callback that reports progress."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, total), in bytes, images or scenes; the total is 0 where it is unknown."""
