"""Frames through a network: every one of them, in order, whatever the pipes do."""

import fcntl
import io
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime.engines.onnxruntime import Session
from i2i_runtime.frames import PipeReader, RawFrames
from i2i_runtime.stream import Stream, announce, parse_size, prefetch, translate_frames
from tests.runtime.engines.test_onnxruntime import write

rng = np.random.default_rng(0)
HEIGHT, WIDTH = 6, 10


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("model") / "blur.onnx")


def frames(number: int) -> list[np.ndarray]:
    return [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(number)]


def program(model: Path, size: str = f"{WIDTH}x{HEIGHT}") -> list[str]:
    return [sys.executable, "-m", "i2i_runtime", "stream", str(model), "--size", size, "--engine", "onnxruntime"]


def inverted(frame: np.ndarray) -> np.ndarray:
    return 255 - frame


def test_raw_frames_go_through_pipes_as_the_session_makes_them(model: Path) -> None:
    given = frames(5)
    done = subprocess.run(program(model), input=b"".join(frame.tobytes() for frame in given), capture_output=True)
    assert done.returncode == 0, done.stderr
    results = np.frombuffer(done.stdout, np.uint8).reshape(5, 2 * HEIGHT, 2 * WIDTH, 3)
    session = Session(model, providers=["cpu"])
    for frame, result in zip(given, results, strict=True):
        np.testing.assert_array_equal(result, session(frame))
    said = done.stderr.decode()
    assert "blur on onnxruntime cpu: frames of RGB24, 10x6 in, 20x12 out" in said
    assert "5 frames in" in said and "from read to written" in said


@pytest.mark.parametrize(("side", "is_said"), [(16, True), (8, False), (3, True)])
def test_frames_much_larger_or_smaller_than_in_training_are_said_to_be(
    model: Path, side: int, is_said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(model, providers=["cpu"])
    session.card = replace(session.card, trained_size=(7, 7))
    announce(session, RawFrames(side, side))
    said = capsys.readouterr().err
    assert ("half as large as in training; for results as in training, resize them to about 7x7" in said) == is_said


def test_a_result_is_written_before_the_next_frame_is_there(model: Path) -> None:
    with subprocess.Popen(program(model), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin and process.stdout
        for frame in frames(3):
            process.stdin.write(frame.tobytes())
            left = 4 * frame.nbytes
            while left:
                left -= len(process.stdout.read(left))
        process.stdin.close()
        assert process.stdout.read() == b"" and process.wait(60) == 0


def test_a_frame_that_is_cut_off_is_one_sentence_after_the_whole_ones(model: Path) -> None:
    done = subprocess.run(program(model), input=bytes(2 * HEIGHT * WIDTH * 3 + 7), capture_output=True)
    assert done.returncode == 1 and len(done.stdout) == 2 * 4 * HEIGHT * WIDTH * 3
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith(
        "error: the last frame has 7 of 180 bytes; frames are raw RGB24 of 10x6 pixels: check --size"
    )


def test_pipes_that_do_not_block_lose_no_frame(model: Path) -> None:
    """As ssh, Node.js and event loops leave them: reads and writes return at once, with nothing done."""
    given = frames(40)
    (source, feed), (drain, target) = os.pipe(), os.pipe()
    os.set_blocking(source, False)
    os.set_blocking(target, False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(target, fcntl.F_SETPIPE_SZ, 4096)  # smaller than the results
    with subprocess.Popen(program(model), stdin=source, stdout=target, stderr=subprocess.PIPE) as process:
        os.close(source)
        os.close(target)

        def write() -> None:
            with open(feed, "wb", buffering=0) as stream:
                for frame in given:
                    time.sleep(0.01)
                    stream.write(frame.tobytes())

        writer = threading.Thread(target=write)
        writer.start()
        with open(drain, "rb") as stream:
            results = stream.read()
        writer.join()
        assert process.wait(60) == 0, process.stderr and process.stderr.read()
    assert len(results) == 4 * sum(frame.nbytes for frame in given)


def test_a_reader_that_goes_ends_the_program_quietly(model: Path) -> None:
    with subprocess.Popen(
        program(model), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(frames(1)[0].tobytes())
        process.stdin.flush()
        process.stdout.read(10)
        process.stdout.close()
        # The source stays open: the program must not wait for it.
        process.stdin.write(frames(1)[0].tobytes() * 2)
        process.stdin.flush()
        assert process.wait(60) == 0
        said = process.stderr.read().decode()
        assert "frames in" in said and "rror" not in said and "Traceback" not in said


def test_no_frame_is_in_the_network_any_more_when_a_stream_is_left() -> None:
    begun, ended = [], []

    def slowly(frame: np.ndarray) -> np.ndarray:
        begun.append(frame)
        time.sleep(0.2)
        ended.append(frame)
        return frame

    results = Stream(slowly).over(frames(20))
    next(results)
    while len(begun) < 2:
        time.sleep(0.001)
    results.close()
    assert len(begun) == len(ended)
    time.sleep(0.3)
    assert len(begun) == len(ended) < 5, "and none goes in later"


def test_an_empty_source_is_no_error(model: Path) -> None:
    done = subprocess.run(program(model), input="", capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "" and done.stderr.endswith("no frames\n")


class Trickle(io.RawIOBase):
    """A pipe that gives and takes a few bytes at a time."""

    def __init__(self, data: bytes = b"") -> None:
        self.left, self.taken = data, bytearray()

    def readinto(self, room) -> int:
        count = min(7, len(room), len(self.left))
        room[:count], self.left = self.left[:count], self.left[count:]
        return count

    def write(self, data) -> int:
        self.taken += data[:5]
        return len(data[:5])


def test_pipes_may_take_and_give_frames_in_pieces() -> None:
    given = b"".join(frame.tobytes() for frame in frames(4))
    source, target = Trickle(given), Trickle()
    translate_frames(Stream(inverted), PipeReader(source), target, (HEIGHT, WIDTH))
    assert bytes(target.taken) == bytes(255 - value for value in given)


def test_grey_results_are_written_as_colours() -> None:
    frame, target = frames(1)[0], Trickle()
    grey = Stream(lambda image: image[..., :1])
    translate_frames(grey, PipeReader(Trickle(frame.tobytes())), target, (HEIGHT, WIDTH))
    assert bytes(target.taken) == frame[..., :1].repeat(3, 2).tobytes()


def test_frames_are_not_mixed_up_with_later_ones_in_the_same_memory() -> None:
    kept = list(RawFrames(HEIGHT, WIDTH).read(PipeReader(Trickle(bytes(180) + bytes([9]) * 180))))
    assert [frame.max() for frame in kept] == [0, 9]


def test_results_keep_the_order_of_the_frames() -> None:
    given = frames(20)
    stream = Stream(inverted)
    for frame, result in zip(given, stream.over(given), strict=True):
        np.testing.assert_array_equal(result, 255 - frame)
    assert stream.frames == len(stream.network) == len(stream.latency) == 20


def test_reading_and_writing_overlap_with_the_network() -> None:
    """The third frame is read while the second is in the network and the first result is used."""
    all_at_once = threading.Barrier(3)

    def meet_at(step: int) -> Callable[[np.ndarray], np.ndarray]:
        steps = itertools.count()

        def call(frame: np.ndarray) -> np.ndarray:
            if next(steps) == step:
                all_at_once.wait(20)
            return frame

        return call

    read, network, use = meet_at(2), meet_at(1), meet_at(0)
    for result in Stream(network).over(map(read, frames(4))):
        use(result)


def test_little_is_read_ahead_of_what_is_used() -> None:
    read = 0

    def source():
        nonlocal read
        for frame in frames(100):
            read += 1
            yield frame

    results = Stream(inverted).over(source())
    next(results)
    time.sleep(0.05)
    assert read <= 7


def test_an_error_comes_after_the_results_before_it() -> None:
    def broken(frame: np.ndarray) -> np.ndarray:
        if not frame.any():
            raise ValueError("a black frame")
        return frame

    results = Stream(broken).over([*frames(2), np.zeros((2, 2, 3), np.uint8), *frames(2)])
    assert len([next(results), next(results)]) == 2
    with pytest.raises(ValueError, match="a black frame"):
        next(results)


def test_no_thread_is_left_when_a_stream_is_closed() -> None:
    before = threading.active_count()
    results = Stream(inverted).over(frames(50))
    next(results)
    results.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before  # another test's may have ended meanwhile


def test_prefetching_gives_everything_also_what_is_none() -> None:
    assert list(prefetch([None, 0, 1, None])) == [None, 0, 1, None]
    assert list(prefetch([])) == []


def test_a_frame_may_be_given_by_hand_and_is_timed(model: Path) -> None:
    session, frame = Session(model, providers=["cpu"]), frames(1)[0]
    stream = Stream(session)
    assert stream.summary() == "no frames"
    np.testing.assert_array_equal(stream(frame), session(frame))
    assert stream.summary().startswith("1 frames in") and "written" not in stream.summary()


@pytest.mark.parametrize(("text", "size"), [("640x480", (480, 640)), ("256", (256, 256)), ("8X4", (4, 8))])
def test_sizes_are_width_by_height(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "640x", "0x4", "-4", "1x2x3", "4.5", "vga"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size in pixels; for example 640x480"):
        parse_size(text)
