"""Writes images as a film, with PyAV."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2i.extras import install_hint
from i2i_runtime.files import write_atomically
from i2i_runtime.images import with_channels

_MIN_SIZE = 256  # pixels; smaller images are enlarged by a whole factor
_QUALITY = "18"  # constant rate factor of x264, visually lossless


def check_can_film() -> None:
    """Raises ValueError where PyAV is missing."""
    try:
        import av  # noqa: F401
    except ImportError:
        raise ValueError(f"a film needs PyAV: {install_hint('video')}; or name a .png for a sheet") from None


def write_film(file: Path, frames: Iterable[NDArray[np.uint8]], *, rate: int = 30) -> int:
    """Write uint8 images (H, W, C) of one size as H.264 at `rate` frames per second; returns their number.

    Small ones are enlarged, odd sizes get one more row or column. The file is written atomically. Raises ValueError
    where PyAV is missing or does not know the file's suffix.
    """
    check_can_film()
    import av

    count = 0
    with write_atomically(file) as temporary, av.open(temporary, "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": _QUALITY})
        stream.pix_fmt = "yuv420p"  # what every player can show; its sizes are even
        for frame in frames:
            picture = _enlarged(with_channels(frame, 3))
            if not count:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            count += 1
        container.mux(stream.encode())
    return count


def _enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    zoom = max(1, round(_MIN_SIZE / max(picture.shape[:2])))
    picture = picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
    odd_rows, odd_columns = picture.shape[0] % 2, picture.shape[1] % 2
    return np.pad(picture, ((0, odd_rows), (0, odd_columns), (0, 0)), mode="edge")
