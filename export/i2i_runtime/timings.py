"""Times of the frames of a stream, their percentiles, and the frames that were dropped."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from i2i_runtime.files import write_atomically

_KEPT = 10_000  # frames whose times are kept, so that a stream may run for days
_PERCENTILES = (50, 95, 99)


class Timings:
    """Counts of frames that were translated and dropped, and times of the last 10,000 in milliseconds.

    `network` is the time of a translation, with the stabiliser's; `latency` the time from a frame's arrival until its
    result was used. `clock` gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.network: deque[float] = deque(maxlen=_KEPT)
        self.latency: deque[float] = deque(maxlen=_KEPT)
        self.restart()

    def restart(self) -> None:
        """Forget all frames so far, and count from now on."""
        self.frames = self.dropped = 0
        self.network.clear()
        self.latency.clear()
        self._begin = self._end = self.clock()

    def translated(self, begin: float) -> None:
        """Count a frame whose translation has begun at this time."""
        self._end = self.clock()
        self.network.append(1000 * (self._end - begin))
        self.frames += 1

    def used(self, arrival: float) -> None:
        """Note that the result of a frame, which arrived at this time, was used."""
        self.latency.append(1000 * (self.clock() - arrival))

    def drop(self) -> None:
        """Count a frame that was replaced by a later one before the network was free."""
        self.dropped += 1

    def to_dict(self) -> dict[str, Any]:
        """Counts, seconds and frames per second, and the percentiles of both times, as for JSON."""
        seconds = self._end - self._begin
        return {
            "frames": self.frames,
            "dropped": self.dropped,
            "seconds": seconds,
            "frames_per_second": self.frames / seconds if seconds else None,
            "network_ms": _percentiles(self.network),
            "latency_ms": _percentiles(self.latency),
        }

    def write(self, file: Path, **facts: Any) -> None:
        """Write `to_dict` after further facts as JSON, whole or not at all."""
        with write_atomically(file) as temporary:
            temporary.write_text(json.dumps({**facts, **self.to_dict()}, indent=1) + "\n", encoding="utf-8")

    def summary(self) -> str:
        """Number of frames, frames per second, frames dropped, and median and 99th percentile of times, on one line."""
        if not self.frames:
            return "no frames"
        seconds = self._end - self._begin
        speed = f", {self.frames / seconds:.1f} frames/s" if seconds else ""
        text = f"{self.frames:,} frames in {seconds:.1f} s{speed}, {self.dropped:,} dropped"
        text += f"; network {_spread(self.network)}"
        return text + (f"; from read to written {_spread(self.latency)}" if self.latency else "")


def _percentiles(milliseconds: Iterable[float]) -> dict[str, float] | None:
    times = list(milliseconds)
    if not times:
        return None
    values = np.percentile(times, _PERCENTILES).tolist()
    return {**{f"p{each}": value for each, value in zip(_PERCENTILES, values, strict=True)}, "max": max(times)}


def _spread(milliseconds: Iterable[float]) -> str:
    middle, _, late = np.percentile(list(milliseconds), _PERCENTILES)
    return f"p50 {middle:.1f} ms, p99 {late:.1f} ms"
