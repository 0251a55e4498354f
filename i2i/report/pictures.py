"""Pictures inside a page: encoded, and made smaller where they would not fit."""

import base64
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from i2i.report.parts import Sheet
from i2i_runtime import images
from i2i_runtime.images import Array

_EXACT = 128  # pixels; up to this size a picture is kept as it is, above it is a JPEG
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
_SIDES = (1600, 1024, 640, 400, 256)  # pixels, one after the other until pictures fit


def data_url(picture: Array, longest: int = _SIDES[0]) -> str:
    """uint8 (H, W, 1, 3 or 4), with the longer side made as short as `longest`."""
    pixels = _shrunk(images.with_channels(picture, 3), longest)[..., ::-1]
    exact = max(pixels.shape[:2]) <= _EXACT
    encoded = cv2.imencode(".png", pixels)[1] if exact else cv2.imencode(".jpg", pixels, _QUALITY)[1]
    return f"data:image/{'png' if exact else 'jpeg'};base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def fit(pictures: Sequence[Callable[[], Array]], room: int) -> tuple[list[str], int]:
    """The pictures as data URLs of at most `room` characters together if they can be, "" for one that raises
    ValueError; and the longest side in pixels to which any was made smaller, 0 where none was. Pictures are asked for
    one at a time.
    """
    for longest in _SIDES:
        urls: list[str] = []
        smaller = 0
        for picture in pictures:
            try:
                pixels = picture()
            except ValueError:
                urls.append("")
                continue
            urls.append(data_url(pixels, longest))
            smaller = longest if max(pixels.shape[:2]) > longest else smaller
            if sum(map(len, urls)) > room and longest != _SIDES[-1]:
                break
        else:
            return urls, smaller
    raise AssertionError("the smallest size is always taken")


def sheets_of(run: Path, most: int, room: int) -> tuple[list[Sheet], list[str]]:
    """The sample sheets of a run, at most so many and evenly chosen, within `room` characters; and sentences about what
    was left out.
    """
    files = sorted(file for file in (run / "samples").glob("*.png") if file.stem.isdecimal())
    chosen = [files[at] for at in np.linspace(0, len(files) - 1, min(most, len(files))).round().astype(int)]
    urls, longest = fit([partial(images.read, file) for file in chosen], room)
    sheets = [Sheet(int(file.stem), url) for file, url in zip(chosen, urls, strict=True) if url]
    left_out = [f"{len(chosen)} of {len(files)} sheets are shown"] if len(chosen) < len(files) else []
    left_out += [f"sheets are made as small as {longest} pixels"] if longest else []
    left_out += [f"{urls.count('')} cannot be read"] if "" in urls else []
    return sheets, [f"Of the sample sheets: {'; '.join(left_out)}. All are in the run's samples/."] if left_out else []


def _shrunk(pixels: Array, longest: int) -> Array:
    scale = longest / max(pixels.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA))
