"""Pipes read and written to the last byte, also where one end has made them non-blocking.

That flag belongs to the open pipe, not to a process: a parent such as ssh, Node.js or an event loop sets it for its
children too, and taking it away would break the parent.
"""

import select
from io import RawIOBase
from typing import BinaryIO


class PipeReader:
    """Reads of exactly so many bytes from an unbuffered stream; fewer come at its end only."""

    def __init__(self, source: RawIOBase) -> None:
        self._source = source
        self._peeked = b""

    def peek(self, count: int) -> bytes:
        """The next bytes, which a later read gives again."""
        self._peeked = self.read(count)
        return self._peeked

    def read(self, count: int) -> bytes:
        """The next bytes."""
        room = bytearray(count)
        return bytes(room[: self.fill(memoryview(room))])

    def fill(self, room: memoryview) -> int:
        """Read into a buffer of bytes, and return how many there were."""
        filled = len(room) if len(room) < len(self._peeked) else len(self._peeked)
        room[:filled], self._peeked = self._peeked[:filled], self._peeked[filled:]
        while filled < len(room):
            count = self._source.readinto(room[filled:])
            if count is None:  # nothing there yet, and not the end
                _wait(self._source, select.POLLIN)
            elif count == 0:
                break
            else:
                filled += count
        return filled


def write_fully(target: BinaryIO, data: memoryview) -> None:
    """Write all bytes to an unbuffered stream, which may take a part of them at a time."""
    while data:
        count = target.write(data)
        if count is None:  # no room yet
            _wait(target, select.POLLOUT)
        else:
            data = data[count:]


def _wait(stream: RawIOBase | BinaryIO, event: int) -> None:
    poll = select.poll()
    poll.register(stream.fileno(), event)
    poll.poll()
