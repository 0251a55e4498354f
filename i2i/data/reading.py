"""Image files as the arrays that pipelines take: as declared, of fitting sizes, and without holes in a list."""

import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from i2i.data.folders import halves
from i2i.data.geometry import Aligned, Image, is_label_map
from i2i.registry import did_you_mean
from i2i_runtime import images

Item = TypeVar("Item")


class Field(NamedTuple):
    """What one image of a sample is declared to be."""

    channels: int
    label_map: bool


class Readable(Generic[Item]):
    """A list of files without holes: the place of an unreadable item is taken by the next one, with one warning."""

    def __init__(self, items: Sequence[Item], read: Callable[[Item], Any]) -> None:
        self._items, self._read = items, read
        self._named: set[int] = set()

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> tuple[Item, Any]:
        for place in (*range(index, len(self)), *range(index)):
            try:
                return self._items[place], self._read(self._items[place])
            except ValueError as error:
                reason = error
                if place not in self._named:
                    self._named.add(place)
                    warnings.warn(f"{error}; the next image takes its place", stacklevel=2)
        raise ValueError(f"none of {len(self)} images can be read; {reason}")


def declare(names: tuple[str, ...], channels: tuple[int, int], label_maps: Collection[str]) -> list[Field]:
    """The fields of a sample. Raises ValueError for a label map that is none of them."""
    unknown = sorted(set(label_maps) - set(names))
    if unknown:
        raise ValueError(f"label_maps: unknown field {unknown[0]!r}; {did_you_mean(unknown[0], names)}")
    return [Field(count, name in label_maps) for name, count in zip(names, channels, strict=True)]


def read_pair(paths: tuple[Path, Path], *, fields: list[Field], side_by_side: bool, swap: bool) -> Aligned:
    """(a, b) as arrays, or (b, a) with `swap`; `fields` are those of the result. Raises ValueError for a bad file."""
    if side_by_side:
        whole = images.read(paths[0])
        half = halves(whole.shape[1], paths[0])
        pair = [whole[:, :half], whole[:, half:]]
    else:
        pair = [images.read(path) for path in paths]
    if swap:
        pair, paths = pair[::-1], paths[::-1]
    return tuple(map(_declared, pair, fields, paths))


def read_image(path: Path, *, field: Field) -> Image:
    """One file as an array. Raises ValueError for a bad one."""
    return _declared(images.read(path), field, path)


def _declared(image: Image, field: Field, path: Path) -> Image:
    """An image as pipelines take it: uint8, or float32 in [0, 1] where the file has 16 bits; int32 for a label map."""
    if not field.label_map:
        image = images.with_channels(image, field.channels)
        return image if image.dtype == np.uint8 else images.to_float(image)
    if image.dtype != np.uint8 or image.shape[2] != field.channels:
        found = f"{image.shape[2]} channels of {image.dtype}"
        raise ValueError(
            f"{path}: {found} cannot be the label map that is declared; allowed: {field.channels} of uint8"
        )
    return image.astype(np.int32)


def cut_to_scale(pair: Aligned, scale: int, paths: tuple[Path, Path]) -> Aligned:
    """Source and target, whose rows and columns past `scale` times the source's are cut off.

    Raises ValueError where the target is smaller than that, or larger by `scale` pixels or more.
    """
    source, target = pair
    height, width = source.shape[0] * scale, source.shape[1] * scale
    if not (0 <= target.shape[0] - height < scale and 0 <= target.shape[1] - width < scale):
        raise ValueError(
            f"{paths[0]} is {dimensions(source)} and {paths[1]} is {dimensions(target)}, not {scale} times as large;"
            f" allowed for it: {width}x{height}, and up to {scale - 1} pixels more, which are cut off"
        )
    return source, target[:height, :width]


def dimensions(image: Image) -> str:
    """Width x height, for a sentence."""
    return f"{image.shape[1]}x{image.shape[0]}"


def fit_square(image: Image, size: int) -> Image:
    """`image` (H, W, C) as a square: its shorter side resized to `size` pixels, the middle of the longer one."""
    height, width = image.shape[:2]
    zoom = size / min(height, width)
    if zoom != 1:
        sides = max(size, round(width * zoom)), max(size, round(height * zoom))
        image = cv2.resize(image, sides, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
        image = image.reshape(*image.shape[:2], -1)
        image = image if image.dtype == np.uint8 else image.clip(0, 1)  # cubics overshoot
    top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return image[top : top + size, left : left + size]


def to_tensor(image: Image, value_range: tuple[float, float]) -> Tensor:
    """(height, width, channels) of 0..255 or [0, 1] -> float32 (channels, height, width) in `value_range`."""
    low, high = value_range
    full = 255 if image.dtype == np.uint8 or is_label_map(image) else 1
    # Splitting moves bytes, a quarter of what transposing floats does; the arithmetic is in place.
    return torch.from_numpy(np.stack(cv2.split(image))).float().mul_((high - low) / full).add_(low)
