"""Y4M is read as ffmpeg writes it, and written as ffmpeg reads it."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime.frames import PipeReader, Y4mFrames, recognise
from i2i_runtime.stream import Stream, translate_frames
from tests.runtime.engines.test_onnxruntime import write
from tests.runtime.test_stream import Trickle, inverted

HEADER = "YUV4MPEG2 W{} H{} F30000:1001 Ip A1:1 C{}\n"
rng = np.random.default_rng(0)


def smooth(height: int, width: int) -> np.ndarray:
    """Colours without edges, so that sub-sampling loses little."""
    y, x = np.mgrid[:height, :width] / (height, width)[0]
    waves = [128 + 100 * np.sin(x + y / 2 + phase) for phase in (0, 2, 4)]
    return np.stack(waves, axis=-1).round().astype(np.uint8)


def y4m(frames: list[np.ndarray], pixels: str, *, full: bool = False) -> bytes:
    """The stream that the libraries of ffmpeg write of RGB frames."""
    av = pytest.importorskip("av")
    target = io.BytesIO()
    with av.open(target, "w", format="yuv4mpegpipe") as container:
        stream = container.add_stream("wrapped_avframe", rate=30)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        levels = av.video.reformatter.ColorRange.JPEG if full else av.video.reformatter.ColorRange.MPEG
        stream.codec_context.color_range = levels
        for frame in frames:
            given = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(given.reformat(format=pixels, dst_colorspace="ITU601", dst_color_range=levels)))
        container.mux(stream.encode())
    return target.getvalue()


def read(data: bytes) -> list[np.ndarray]:
    reader = PipeReader(io.BytesIO(data))
    frames = recognise(reader, None)
    assert isinstance(frames, Y4mFrames)
    return list(frames.read(reader))


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("size", [(72, 104), (71, 103)])
def test_colours_are_those_that_ffmpeg_was_given(pixels: str, full: bool, size: tuple[int, int]) -> None:
    given = [smooth(*size), 255 - smooth(*size)]
    found = read(y4m(given, pixels, full=full))
    assert len(found) == 2
    inner = (slice(4, -4), slice(4, -4))  # ffmpeg's sub-sampling has its own ideas of the borders
    for frame, result in zip(given, found, strict=True):
        difference = np.abs(frame[inner].astype(int) - result[inner])
        assert difference.max() <= 6 and difference.mean() <= 2


def test_grey_is_a_straight_line_from_16_to_235() -> None:
    levels = bytes(range(256))
    frame = read(HEADER.format(16, 16, "mono").encode() + b"FRAME\n" + levels)[0]
    expected = np.clip((np.arange(256) - 16) * 255 / 219, 0, 255).round()
    np.testing.assert_allclose(frame.reshape(-1, 3), expected[:, None].repeat(3, 1), atol=1)


@pytest.mark.parametrize(("colours", "first"), [("420jpeg", -0.25), ("420mpeg2", 0.0), ("420", -0.25)])
def test_samples_of_colour_lie_where_the_format_says(colours: str, first: float) -> None:
    """Of a ramp of colour, sampled at every second pixel, the pixels between get the values between."""
    luma, ramp = np.full((2, 40), 126, np.uint8), np.arange(60, 140, 4, dtype=np.uint8)
    data = luma.tobytes() + bytes([128] * 20) + ramp.tobytes()
    red = read(HEADER.format(40, 2, colours).encode() + b"FRAME\n" + data)[0][0, :, 0].astype(float)
    sample = np.clip(np.arange(40) / 2 + first, 0, 19)
    expected = (126 - 16) * 255 / 219 + 1.402 * (60 + 4 * sample - 128) * 255 / 224
    np.testing.assert_allclose(red, expected.clip(0, 255), atol=2)


@pytest.mark.parametrize("levels", ["FULL", "LIMITED"])
def test_a_stream_of_results_is_read_again_with_the_same_colours(levels: str) -> None:
    """Through the network, which gives the negative, and as 4:4:4 with the rate of the source."""
    header = HEADER.format(31, 21, f"444 XCOLORRANGE={levels}").encode()
    planes = [rng.integers(60, 180, (3, 21, 31), np.uint8) for _ in range(2)]
    data = header + b"".join(b"FRAME Ip\n" + each.tobytes() for each in planes)
    target = Trickle()
    translate_frames(Stream(inverted), PipeReader(Trickle(data)), target)
    result = bytes(target.taken)
    assert result.startswith(f"YUV4MPEG2 W31 H21 F30000:1001 Ip A1:1 C444 XCOLORRANGE={levels}\nFRAME\n".encode())
    for frame, negative in zip(read(data), read(result), strict=True):
        assert np.abs(255 - frame.astype(int) - negative).max() <= 3


def test_ffmpeg_reads_what_is_written() -> None:
    av = pytest.importorskip("av")
    given = smooth(20, 30)
    frames = Y4mFrames(20, 30, "420jpeg", is_full=False, tags=("F25:1",))
    data = frames.header(20, 30) + b"".join(frames.encode(given))
    with av.open(io.BytesIO(data), format="yuv4mpegpipe") as container:
        (frame,) = container.decode(video=0)
        found = frame.to_ndarray(format="rgb24")
        assert container.streams.video[0].average_rate == 25
    assert np.abs(found.astype(int) - given).max() <= 3


def test_the_program_takes_the_size_and_the_rate_from_the_header(tmp_path: Path) -> None:
    model = write(tmp_path / "blur.onnx")
    frame = b"FRAME\n" + bytes(range(180)) * 3
    given = HEADER.format(18, 10, "444").encode() + 3 * frame + frame[:100]
    command = [sys.executable, "-m", "i2i_runtime", "stream", str(model), "--engine", "onnxruntime"]
    done = subprocess.run(command, input=given, capture_output=True)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(b"YUV4MPEG2 W36 H20 F30000:1001 ") and len(read(done.stdout)) == 3
    assert b"frames of Y4M 444, 18x10 in, 36x20 out" in done.stderr
    last = done.stderr.decode().splitlines()[-1]
    assert last == "error: the last frame has 94 of 540 bytes: the source of the Y4M stream ended within it"


@pytest.mark.parametrize(
    ("data", "size", "sentence"),
    [
        (b"RIFF....AVI", None, "raw RGB24 frames need --size"),
        (HEADER.format(8, 8, "444").encode(), (6, 8), "--size says 8x6, the Y4M header 8x8"),
        (HEADER.format(8, 8, "444p10").encode(), None, "format '444p10' is not read; choose from: 420, 420jpeg"),
        (b"YUV4MPEG2 H8\n", None, "has no width and height up to 32768"),
        (HEADER.format(8, 99999, "444").encode(), None, "has no width and height up to 32768"),
        (b"YUV4MPEG2 W8 H8", None, "ends within the line 'YUV4MPEG2 W8 H8'"),
        (b"YUV4MPEG2 " + b"X" * 10**4, None, "or is damaged there"),
        (HEADER.format(2, 2, "mono").encode() + b"FRAME\n1234FRANE\n1234", None, "frame 2 of the Y4M stream does not"),
        (HEADER.format(2, 2, "mono").encode() + b"FRAME\n1234FR", None, "ends within the line 'FR'"),
    ],
)
def test_what_is_no_stream_is_one_sentence(data: bytes, size: tuple[int, int] | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        translate_frames(Stream(inverted), PipeReader(io.BytesIO(data)), Trickle(), size)
    assert "\n" not in str(caught.value)
