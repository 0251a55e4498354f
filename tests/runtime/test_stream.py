"""Frames through a network: every one of them, in order, whatever the pipes do."""

import fcntl
import io
import itertools
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime.engines.onnxruntime import Session
from i2i_runtime.frames import PipeReader, RawFrames
from i2i_runtime.stream import Stream, open_live, parse_size, translate_frames, whole_frames
from i2i_runtime.stream_command import StreamOptions, announce, moving_picture, run_stream
from tests.runtime.engines.test_onnxruntime import write
from tests.waits import HANGS

rng = np.random.default_rng(0)
HEIGHT, WIDTH = 6, 10


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("model") / "blur.onnx")


def frames(number: int) -> list[np.ndarray]:
    return [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(number)]


def program(model: Path, *options: str) -> list[str]:
    size = f"{WIDTH}x{HEIGHT}"
    command = [sys.executable, "-m", "i2i_runtime", "stream", str(model), "--size", size, "--engine", "onnxruntime"]
    return [*command, *options]


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
        assert process.stdout.read() == b"" and process.wait(HANGS) == 0


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
        assert process.wait(HANGS) == 0, process.stderr and process.stderr.read()
    assert len(results) == 4 * sum(frame.nbytes for frame in given)


@pytest.mark.parametrize("options", [(), ("--live",)])
def test_a_reader_that_goes_ends_the_program_quietly(model: Path, options: tuple[str, ...]) -> None:
    with subprocess.Popen(
        program(model, *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(frames(1)[0].tobytes())
        process.stdin.flush()
        process.stdout.read(10)
        process.stdout.close()
        # The source stays open: the program must not wait for it.
        process.stdin.write(frames(1)[0].tobytes() * 2)
        process.stdin.flush()
        assert process.wait(HANGS) == 0
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
    for count in (20, 5):
        timings = stream.timings
        assert timings.frames == len(timings.network) == len(timings.latency) == count
        list(stream.over(given[:5]))


def test_reading_and_writing_overlap_with_the_network() -> None:
    """The third frame is read while the second is in the network and the first result is used."""
    all_at_once = threading.Barrier(3)

    def meet_at(step: int) -> Callable[[np.ndarray], np.ndarray]:
        steps = itertools.count()

        def call(frame: np.ndarray) -> np.ndarray:
            if next(steps) == step:
                all_at_once.wait(HANGS)
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


def test_a_live_stream_translates_the_newest_frame_and_counts_those_it_drops() -> None:
    """Nine frames come while the first one is in the network."""
    in_network, all_came, given = threading.Event(), threading.Event(), frames(10)

    def source() -> Iterator[np.ndarray]:
        yield given[0]
        assert in_network.wait(HANGS)
        yield from given[1:]
        all_came.set()

    def slow(frame: np.ndarray) -> np.ndarray:
        in_network.set()
        assert all_came.wait(HANGS)
        return 255 - frame

    stream = Stream(slow)
    results = list(stream.over(source(), live=True))
    np.testing.assert_array_equal(results, [255 - given[0], 255 - given[9]])
    timings = stream.timings
    assert (timings.frames, timings.dropped, len(timings.latency)) == (2, 8, 2)


def test_live_frames_through_pipes_end_with_the_last_and_its_timings_in_a_file(model: Path, tmp_path: Path) -> None:
    given, file = frames(30), tmp_path / "timings.json"
    command = program(model, "--live", "--timings", str(file), "--stabilise", "0.5")
    done = subprocess.run(command, input=b"".join(frame.tobytes() for frame in given), capture_output=True)
    assert done.returncode == 0, done.stderr
    timings = json.loads(file.read_text())
    assert timings["frames"] + timings["dropped"] == 30
    assert (timings["model"], timings["engine"], timings["provider"]) == ("blur", "onnxruntime", "cpu")
    assert f"{timings['dropped']} dropped; network p50" in done.stderr.decode()
    results = np.frombuffer(done.stdout, np.uint8).reshape(timings["frames"], 2 * HEIGHT, 2 * WIDTH, 3)
    # Frames of 10x6 pixels are too small for optical flow, and are left as they are.
    np.testing.assert_array_equal(results[-1], Session(model, providers=["cpu"])(given[-1]))


def test_a_folder_for_timings_that_is_missing_is_said_at_the_start(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="its folder does not exist"):
        run_stream(Session(model, providers=["cpu"]), StreamOptions(timings=tmp_path / "none" / "timings.json"))


def test_a_model_is_timed_on_a_moving_picture_where_there_are_no_frames(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(model, providers=["cpu"])
    monkeypatch.setattr("i2i_runtime.stream_command.TEST_SECONDS", 0.2)
    with open(pty.openpty()[1]) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        run_stream(session, StreamOptions(size=(24, 32), timings=tmp_path / "timings.json"))
    timings = json.loads((tmp_path / "timings.json").read_text())
    assert timings["frames"] + timings["dropped"] == 6 and timings["frames"] >= 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"{timings['frames']} frames in")
    with pytest.raises(ValueError, match="timed on a test picture: give its --size"):
        run_stream(session, StreamOptions(test_rate=10))


def test_the_moving_picture_comes_at_its_rate_and_moves() -> None:
    now, waits = [0.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds + 0.03  # the reader takes its time

    pictures = list(moving_picture(16, 24, rate=10, seconds=1, clock=lambda: now[0], sleep=sleep))
    assert len(pictures) == 10 and waits == pytest.approx([0, *[0.07] * 9])
    for first, second in itertools.pairwise(pictures[:8]):
        assert first.shape == (16, 24, 3) and (np.array_equal(first[:, 3:], second[:, :-3]))


def test_frames_go_through_whole_where_photos_go_in_tiles(model: Path) -> None:
    session, sizes = Session(model, providers=["cpu"]), []
    session.card = replace(session.card, overlap=16)
    network = session.network
    session.network = lambda batch: sizes.append(batch.shape[2:]) or network(batch)  # type: ignore[method-assign]
    frame = rng.integers(0, 256, (360, 640, 3), np.uint8)
    np.testing.assert_array_equal(whole_frames(session)(frame), session(frame))
    assert sizes[0] == (360, 640) and len(sizes) > 2


def test_an_opened_file_is_a_function_in_a_loop_with_timings(model: Path) -> None:
    live, frame = open_live(model, size=(HEIGHT, WIDTH), engine="onnxruntime"), frames(1)[0]
    assert live.timings.frames == 0, "warming up does not count"
    np.testing.assert_array_equal(live.translate(frame), Session(model, providers=["cpu"])(frame))
    assert live.timings.frames == len(live.timings.network) == 1


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
    deadline = time.monotonic() + HANGS
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before  # another test's may have ended meanwhile


def test_a_frame_may_be_given_by_hand_and_is_timed(model: Path) -> None:
    session, frame = Session(model, providers=["cpu"]), frames(1)[0]
    stream = Stream(session)
    assert stream.timings.summary() == "no frames"
    np.testing.assert_array_equal(stream(frame), session(frame))
    assert stream.timings.summary().startswith("1 frames in") and "written" not in stream.timings.summary()


@pytest.mark.parametrize(("text", "size"), [("640x480", (480, 640)), ("256", (256, 256)), ("8X4", (4, 8))])
def test_sizes_are_width_by_height(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "640x", "0x4", "-4", "1x2x3", "4.5", "vga"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size in pixels; for example 640x480"):
        parse_size(text)
