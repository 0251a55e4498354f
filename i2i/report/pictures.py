"""Pictures of a page as data URLs, downscaled where they would not fit."""

import base64
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from i2i.report.contents import SampleSheet
from i2i_runtime import images
from i2i_runtime.images import Array

_LARGEST_PNG = 128  # pixels; larger pictures are JPEG
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
_SIDES = (1600, 1024, 640, 400, 256)  # longest sides in pixels, tried in this order


def to_data_url(picture: Array, longest: int = _SIDES[0]) -> str:
    """Picture, uint8 (H, W, 1, 3 or 4), as a data URL of PNG or JPEG, downscaled to the longest side."""
    pixels = _downscale(images.with_channels(picture, 3), longest)[..., ::-1]
    is_png = max(pixels.shape[:2]) <= _LARGEST_PNG
    encoded = cv2.imencode(".png", pixels)[1] if is_png else cv2.imencode(".jpg", pixels, _QUALITY)[1]
    return f"data:image/{'png' if is_png else 'jpeg'};base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def encode_within(pictures: Sequence[Callable[[], Array]], room: int) -> tuple[list[str], int]:
    """Encode pictures as data URLs of at most `room` characters in all, if possible; "" where reading one raises
    ValueError.

    Pictures are read one at a time. Also returns the longest side in pixels to which any was downscaled, or 0.
    """
    for longest in _SIDES:
        urls: list[str] = []
        downscaled_to = 0
        for read in pictures:
            try:
                pixels = read()
            except ValueError:
                urls.append("")
                continue
            urls.append(to_data_url(pixels, longest))
            downscaled_to = longest if max(pixels.shape[:2]) > longest else downscaled_to
            if sum(map(len, urls)) > room and longest != _SIDES[-1]:
                break
        else:
            return urls, downscaled_to
    raise AssertionError("the smallest size always returns")


def read_sample_sheets(run: Path, most: int, room: int) -> tuple[list[SampleSheet], list[str]]:
    """Read at most `most` sample sheets of a run, evenly spaced, within `room` characters; and notes on the others."""
    files = sorted(file for file in (run / "samples").glob("*.png") if file.stem.isdecimal())
    chosen = [files[index] for index in np.linspace(0, len(files) - 1, min(most, len(files))).round().astype(int)]
    urls, longest = encode_within([partial(images.read, file) for file in chosen], room)
    sheets = [SampleSheet(int(file.stem), url) for file, url in zip(chosen, urls, strict=True) if url]
    notes = [f"{len(chosen)} of {len(files)} sheets are shown"] if len(chosen) < len(files) else []
    notes += [f"sheets are downscaled to {longest} pixels"] if longest else []
    notes += [f"{urls.count('')} cannot be read"] if "" in urls else []
    return sheets, [f"Of the sample sheets: {'; '.join(notes)}. All are in the run's samples/."] if notes else []


def _downscale(pixels: Array, longest: int) -> Array:
    scale = longest / max(pixels.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA))
