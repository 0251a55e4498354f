"""Samples for training and for looking at: files read, augmented, and turned into tensors for the networks.

A training sample depends on (seed, epoch, index) alone, whichever process makes it.
"""

import warnings
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from i2i.data.augment import Pipeline
from i2i.data.batch import Pair, Unpaired
from i2i.data.folders import PairedFiles, UnpairedFiles, halves
from i2i.data.geometry import Image, Images, is_label_map
from i2i.registry import did_you_mean
from i2i_runtime import images

Item = TypeVar("Item")
# The use of a random draw is part of its seed, so that no two draws are the same by accident.
_TRAIN, _PARTNER, _TEST = 1, 2, 3


class _Field(NamedTuple):
    """What one image of a sample is declared to be."""

    channels: int
    label_map: bool


class PairedImages(Dataset[Pair]):
    """Pairs, both images under one random draw: `dataset[epoch, index]` to train on, `held_out(index)` to look at.

    Tensors are float32 (channels, height, width) in `value_range`. `label_maps` names the fields ("source", "target")
    that hold class indices: they are moved without interpolation and their values kept (0..255 maps to `value_range` as
    in any image). A pair that cannot be read is replaced in training by the next one, with one warning. Raises
    ValueError where none can be read, and for images that the pipeline can't take.
    """

    def __init__(
        self,
        files: PairedFiles,
        *,
        train: Pipeline,
        test: Pipeline,
        seed: int,
        channels: tuple[int, int] = (3, 3),
        direction: Literal["a_to_b", "b_to_a"] = "a_to_b",
        label_maps: Collection[str] = (),
        value_range: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        fields = _fields(Pair._fields, channels, label_maps)
        self._read = partial(_read_pair, fields=fields, side_by_side=files.side_by_side, swap=direction == "b_to_a")
        self._pairs, self._held_out = _Readable(files.train, self._read), files.test
        self._train, self._test, self._seed, self._value_range = train, test, seed, value_range

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def held_out_count(self) -> int:
        return len(self._held_out)

    def __getitem__(self, key: tuple[int, int]) -> Pair:
        epoch, index = key
        paths, pair = self._pairs[index]
        return self._sample(self._train, paths, pair, (_TRAIN, self._seed, epoch, index))

    def held_out(self, index: int) -> Pair:
        """A test pair through the test pipeline: always the same. Raises ValueError for an unreadable file."""
        paths = self._held_out[index]
        return self._sample(self._test, paths, self._read(paths), (_TEST, index))

    def _sample(self, pipeline: Pipeline, paths: tuple[Path, Path], pair: Images, seed: tuple[int, ...]) -> Pair:
        source, target = _augmented(pipeline, pair, seed, paths[0])
        if source.shape[:2] != target.shape[:2]:
            sizes = " and ".join(f"{image.shape[1]}x{image.shape[0]}" for image in (source, target))
            raise ValueError(f"{paths[0]}: the images of the pair differ in size, {sizes}; add a resize")
        return Pair(_tensor(source, self._value_range), _tensor(target, self._value_range))


class UnpairedImages(Dataset[Unpaired]):
    """Two domains, each image under a draw of its own; an epoch is as long as the larger domain, b is drawn at random.

    Everything else is as in `PairedImages`; the fields are "a" and "b".
    """

    def __init__(
        self,
        files: UnpairedFiles,
        *,
        train: Pipeline,
        test: Pipeline,
        seed: int,
        channels: tuple[int, int] = (3, 3),
        label_maps: Collection[str] = (),
        value_range: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        self._readers = [partial(_read_image, field=field) for field in _fields(Unpaired._fields, channels, label_maps)]
        self._a, self._b = map(_Readable, files.train, self._readers)
        self._held_out = files.test
        self._train, self._test, self._seed, self._value_range = train, test, seed, value_range

    def __len__(self) -> int:
        return max(len(self._a), len(self._b))

    @property
    def held_out_count(self) -> int:
        return max(map(len, self._held_out)) if all(self._held_out) else 0

    def __getitem__(self, key: tuple[int, int]) -> Unpaired:
        epoch, index = key
        partner = int(np.random.default_rng((_PARTNER, self._seed, epoch, index)).integers(len(self._b)))
        a = self._sample(self._train, *self._a[index % len(self._a)], (_TRAIN, self._seed, epoch, index, 0))
        b = self._sample(self._train, *self._b[partner], (_TRAIN, self._seed, epoch, index, 1))
        return Unpaired(a, b)

    def held_out(self, index: int) -> Unpaired:
        """The index-th test image of both domains (the smaller one starts over) through the test pipeline."""
        paths = [domain[index % len(domain)] for domain in self._held_out]
        a, b = (
            self._sample(self._test, path, read(path), (_TEST, index))
            for path, read in zip(paths, self._readers, strict=True)
        )
        return Unpaired(a, b)

    def _sample(self, pipeline: Pipeline, path: Path, image: Image, seed: tuple[int, ...]) -> Tensor:
        return _tensor(_augmented(pipeline, (image,), seed, path)[0], self._value_range)


class _Readable(Generic[Item]):
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


def _fields(names: tuple[str, ...], channels: tuple[int, int], label_maps: Collection[str]) -> list[_Field]:
    unknown = sorted(set(label_maps) - set(names))
    if unknown:
        raise ValueError(f"label_maps: unknown field {unknown[0]!r}; {did_you_mean(unknown[0], names)}")
    return [_Field(count, name in label_maps) for name, count in zip(names, channels, strict=True)]


def _read_pair(paths: tuple[Path, Path], *, fields: list[_Field], side_by_side: bool, swap: bool) -> Images:
    if side_by_side:
        whole = images.read(paths[0])
        half = halves(whole.shape[1], paths[0])
        pair = [whole[:, :half], whole[:, half:]]
    else:
        pair = [images.read(path) for path in paths]
    if swap:
        pair, paths = pair[::-1], paths[::-1]
    return tuple(map(_declared, pair, fields, paths))


def _read_image(path: Path, *, field: _Field) -> Image:
    return _declared(images.read(path), field, path)


def _declared(image: Image, field: _Field, path: Path) -> Image:
    """An image as pipelines take it: uint8, or float32 in [0, 1] where the file has 16 bits; int32 for a label map."""
    if not field.label_map:
        image = images.with_channels(image, field.channels)
        return image if image.dtype == np.uint8 else images.to_float(image)
    if image.dtype != np.uint8 or image.shape[2] != field.channels:
        found = f"{image.shape[2]} channels of {image.dtype}"
        raise ValueError(f"{path}: {found} cannot be the label map that is declared; legal: {field.channels} of uint8")
    return image.astype(np.int32)


def _augmented(pipeline: Pipeline, pictures: Images, seed: tuple[int, ...], path: Path) -> Images:
    try:
        return pipeline(pictures, seed)
    except ValueError as error:
        raise ValueError(f"{error} ({path})") from error


def _tensor(image: Image, value_range: tuple[float, float]) -> Tensor:
    """(height, width, channels) of 0..255 or [0, 1] -> float32 (channels, height, width) in `value_range`."""
    low, high = value_range
    full = 255 if image.dtype == np.uint8 or is_label_map(image) else 1
    # Splitting moves bytes, a quarter of what transposing floats does; the arithmetic is in place.
    return torch.from_numpy(np.stack(cv2.split(image))).float().mul_((high - low) / full).add_(low)
