"""Timings say how many frames there were, how fast, and how late the late ones were."""

import json
from pathlib import Path

import pytest

from i2i_runtime.timings import Timings


class Clock:
    """Seconds that pass only when they are let to."""

    now = 5.0

    def __call__(self) -> float:
        return self.now


def hundred_frames() -> Timings:
    """Frames of 1 to 100 ms, each used 1 ms after it arrived and was translated; three were dropped."""
    clock = Clock()
    timings = Timings(clock)
    for milliseconds in range(1, 101):
        begin = clock.now
        clock.now += milliseconds / 1000
        timings.translated(begin)
        clock.now += 1 / 1000
        timings.used(begin)
    for _ in range(3):
        timings.drop()
    return timings


def test_percentiles_are_those_of_the_frames() -> None:
    found = hundred_frames().to_dict()
    assert (found["frames"], found["dropped"]) == (100, 3)
    assert found["seconds"] == pytest.approx(5.05 + 0.099)  # to the end of the last translation
    assert found["frames_per_second"] == pytest.approx(100 / 5.149)
    assert found["network_ms"] == pytest.approx({"p50": 50.5, "p95": 95.05, "p99": 99.01, "max": 100})
    assert found["latency_ms"] == pytest.approx({"p50": 51.5, "p95": 96.05, "p99": 100.01, "max": 101})


def test_the_summary_says_them_in_one_line() -> None:
    assert hundred_frames().summary() == (
        "100 frames in 5.1 s, 19.4 frames/s, 3 dropped; network p50 50.5 ms, p99 99.0 ms; "
        "from read to written p50 51.5 ms, p99 100.0 ms"
    )


def test_they_are_written_as_json(tmp_path: Path) -> None:
    timings = hundred_frames()
    timings.write(tmp_path / "timings.json", model="x")
    assert json.loads((tmp_path / "timings.json").read_text()) == {"model": "x", **timings.to_dict()}


def test_no_frames_are_no_error(tmp_path: Path) -> None:
    timings = Timings(Clock())
    timings.write(tmp_path / "timings.json")
    found = json.loads((tmp_path / "timings.json").read_text())
    assert (found["frames"], found["frames_per_second"], found["network_ms"]) == (0, None, None)
    assert timings.summary() == "no frames"


def test_a_stream_of_days_keeps_the_times_of_its_last_frames() -> None:
    clock = Clock()
    timings = Timings(clock)
    for _ in range(12_000):
        timings.translated(clock.now)
    assert timings.frames == 12_000 and len(timings.network) == 10_000
