"""Compression of video: a frame from the middle of a group of pictures, as a codec of films leaves it.

The image is the last frame of a short clip, in which it moves at a constant speed as under a camera that pans; so the
frame is predicted from others, whose errors it inherits.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from i2i.data.degradation.steps.base import DegradationStep, Range, Size, check_range
from i2i.data.degradation.steps.compression import from_pixels, to_pixels
from i2i.extras import install_hint
from i2i.recipe.ranges import Probability
from i2i.registry import degradation_steps

Codec = Literal["h264", "h265", "vp9", "mpeg2", "mpeg4"]
# FFmpeg's encoder, its decoder, and the option for quality: the lower, the better.
_CODECS: dict[Codec, tuple[str, str, str]] = {
    "h264": ("libx264", "h264", "crf"),
    "h265": ("libx265", "hevc", "crf"),
    "vp9": ("libvpx-vp9", "vp9", "crf"),
    "mpeg2": ("mpeg2video", "mpeg2video", "qscale"),
    "mpeg4": ("mpeg4", "mpeg4", "qscale"),
}
_OPTIONS = {
    "libx264": {"preset": "veryfast", "tune": "zerolatency"},
    "libx265": {
        "preset": "veryfast",
        "tune": "zerolatency",
        "x265-params": "log-level=none:pools=none:frame-threads=1",
    },
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "6", "lag-in-frames": "0"},
}
ClipLength = Annotated[int, Field(ge=1, le=64)]  # frames
_SMALLEST = 32  # pixels of a side of a frame


@degradation_steps.register("video")
class Video(DegradationStep):
    """Compression by one of `codecs`, at a constant quality, with 4:2:0 chroma; needs PyAV (extra `video`).

    These are ranges: `crf`, the rate factor of h264, h265 and vp9, 0 to 51 (23 is good, 35 poor); `qscale`, the
    quantiser of mpeg2 and mpeg4, 1 to 31; `motion`, the speed in pixels per frame; `frames`, the length of the clip.
    The codec runs on the CPU.
    """

    def __init__(
        self,
        *,
        codecs: list[Codec] = ["h264", "h265", "mpeg2", "mpeg4"],  # noqa: B006
        crf: Range = (18.0, 38.0),
        qscale: Range = (2.0, 16.0),
        motion: Range = (0.0, 3.0),
        frames: tuple[ClipLength, ClipLength] = (2, 5),
        probability: Probability = 1.0,
    ) -> None:
        if not codecs:
            raise ValueError(f"video: codecs is empty; choose from: {', '.join(get_args(Codec))}")
        check_range("video", "crf", crf, 0, 51)
        check_range("video", "qscale", qscale, 1, 31)
        check_range("video", "motion", motion, 0, 64)
        check_range("video", "frames", frames, 1, 64)
        try:
            import av  # noqa: F401
        except ImportError:
            raise ValueError(f"degradation step video needs PyAV: {install_hint('video')}") from None
        self.codecs, self.ranges = codecs, {"crf": crf, "qscale": qscale}
        self.motion, self.frames, self.probability = motion, frames, probability

    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        encoder, decoder, option = _CODECS[self.codecs[rng.integers(len(self.codecs))]]
        quality, speed = rng.uniform(*self.ranges[option]), rng.uniform(*self.motion)
        angle, count = rng.uniform(0, 2 * np.pi), int(rng.integers(self.frames[0], self.frames[1] + 1))
        clip = _pan(image, count, speed * np.cos(angle), speed * np.sin(angle))
        last = _last_decoded([to_pixels(frame) for frame in clip], encoder, decoder, option, round(quality))
        return from_pixels(last[: image.shape[1], : image.shape[2]], image)


def _pan(image: Tensor, count: int, across: float, down: float) -> Iterator[Tensor]:
    """So many frames of sides that codecs take, the last one without a shift; edge pixels are repeated."""
    height, width = image.shape[-2:]
    taller, wider = (max(_SMALLEST, side + side % 2) - side for side in (height, width))
    for before in range(count - 1, -1, -1):
        x, y = round(before * across), round(before * down)
        padded = F.pad(image[None], (max(x, 0), wider + max(-x, 0), max(y, 0), taller + max(-y, 0)), mode="replicate")
        top, left = max(-y, 0), max(-x, 0)
        yield padded[0, :, top : top + height + taller, left : left + width + wider]


def _last_decoded(frames: list[np.ndarray], encoder: str, decoder: str, option: str, quality: int) -> np.ndarray:
    """The last of RGB frames (H, W, 3) after encoding and decoding them, in one thread: equal input, equal output."""
    import av

    height, width = frames[0].shape[:2]
    coder: Any = av.CodecContext.create(encoder, "w")
    coder.width, coder.height, coder.pix_fmt, coder.time_base = width, height, "yuv420p", Fraction(1, 25)
    coder.thread_count, coder.max_b_frames, coder.gop_size = 1, 0, len(frames) + 1
    fixed = {"qmin": str(quality), "qmax": str(quality)} if option == "qscale" else {"crf": str(quality)}
    coder.options = {**_OPTIONS.get(encoder, {}), **fixed}
    packets = []
    for number, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = number
        packets += coder.encode(frame)
    packets += coder.encode(None)
    reader: Any = av.CodecContext.create(decoder, "r")
    reader.thread_count = 1
    decoded = [frame for packet in [*packets, None] for frame in reader.decode(packet)]
    return decoded[-1].to_ndarray(format="rgb24")
