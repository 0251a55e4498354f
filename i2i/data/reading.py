"""From image files to the arrays that pipelines take, and from arrays to the tensors that networks take."""

import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i.data.folders import half_width
from i2i.data.geometry import Aligned, Image, is_label_map
from i2i.data.labels.maps import LabelMaps
from i2i.label_maps import IGNORE
from i2i.networks.value_range import ValueRange
from i2i.registry import did_you_mean
from i2i_runtime import images
from i2i_runtime.files import printable
from i2i_runtime.images import prepare

Item = TypeVar("Item")
Sample = TypeVar("Sample")

_MANY = 16  # items in a row that cannot be used
MOST_STRETCH = 0.02  # of one side of a target that is resized; rounding of small images makes as much


class FieldFormat(NamedTuple):
    """The format of an image of a sample: its channels, and True for a map of class indices, which is read as any image
    of that many channels or, with `labels`, as one of these.
    """

    channels: int
    label_map: bool = False
    labels: LabelMaps | None = None


class ReplaceableItems(Generic[Item]):
    """Items of which samples are made; the next item replaces one that cannot be read or used, with one warning."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._warned: set[int] = set()

    def __len__(self) -> int:
        return len(self._items)

    def sample(self, index: int, read: Callable[[Item], Any], use: Callable[[Item, Any], Sample]) -> Sample:
        """The sample by `use` of the item at `index` and its images by `read`. Raises ValueError where no item can be
        read, or of many in a row none be used: then the recipe is wrong, not an image.
        """
        unused: dict[int, ValueError] = {}
        for candidate in (*range(index, len(self)), *range(index)):
            item = self._items[candidate]
            try:
                images = read(item)
            except ValueError as error:
                reason = error
                self._warn(candidate, error)
                continue
            try:
                sample = use(item, images)
            except ValueError as error:
                unused[candidate] = error
                if len(unused) == _MANY:
                    break
                continue
            for each, refusal in unused.items():
                self._warn(each, refusal)
            return sample
        if unused:
            raise next(iter(unused.values()))
        raise ValueError(f"none of {len(self)} images can be read; {reason}")

    def _warn(self, number: int, error: ValueError) -> None:
        if number not in self._warned:
            self._warned.add(number)
            warnings.warn(f"{error}; the next image takes its place", stacklevel=2)


def field_formats(
    fields: tuple[str, ...], channels: tuple[int, ...], label_maps: Collection[str]
) -> tuple[FieldFormat, ...]:
    """The formats of a sample's fields. Raises ValueError for a name in `label_maps` that is no field."""
    for name in sorted(set(label_maps) - set(fields)):
        raise ValueError(f"label_maps: unknown field {name!r}; {did_you_mean(name, fields)}")
    return tuple(FieldFormat(count, name in label_maps) for name, count in zip(fields, channels, strict=True))


def read_image(path: Path, field: FieldFormat) -> Image:
    """One file as an array in the field's format. Raises ValueError for an unreadable or unsuitable file."""
    if field.labels:
        return _padded(field.labels.read_instances(path) if field.labels.instances else field.labels.read(path))
    return _convert(images.read(path), field, path)


def read_pair(
    paths: tuple[Path, Path], fields: tuple[FieldFormat, ...], *, side_by_side: bool, swap: bool
) -> tuple[Image, ...]:
    """The images of (a, b), or of (b, a) with `swap`, in the formats of the result. Raises ValueError as `read_image`.

    Where both lie `side_by_side` in one file, a is its left half.
    """
    order = -1 if swap else 1
    if not side_by_side:
        return tuple(map(read_image, paths[::order], fields))
    image = images.read(paths[0])
    half = half_width(image.shape[1], paths[0])
    pair = [image[:, :half], image[:, half:]]
    return tuple(map(_convert, pair[::order], fields, paths[::order]))


def _convert(image: Image, field: FieldFormat, path: Path) -> Image:
    """uint8 or uint16 as stored -> uint8, or float32 in [0, 1] where the file has 16 bits; int32 for a label map."""
    if not field.label_map:
        image = images.with_channels(image, field.channels)
        return image if image.dtype == np.uint8 else images.to_float(image)
    if image.dtype != np.uint8 or image.shape[2] != field.channels:
        found = f"{image.shape[2]} channels of {image.dtype}"
        raise ValueError(
            f"{path}: {found} cannot be the label map that is declared; allowed: {field.channels} of uint8"
        )
    return image.astype(np.int32)


def crop_to_scale(pair: Aligned, scale: int, paths: tuple[Path, Path]) -> Aligned:
    """Source and target, the target cropped at the bottom and right to `scale` times the size of the source.

    Raises ValueError where the target is smaller than that, or larger by `scale` pixels or more.
    """
    source, target = pair
    height, width = source.shape[0] * scale, source.shape[1] * scale
    if not (0 <= target.shape[0] - height < scale and 0 <= target.shape[1] - width < scale):
        sizes = [f"{path} is {image.shape[1]}x{image.shape[0]}" for path, image in zip(paths, pair, strict=True)]
        raise ValueError(
            f"{' and '.join(sizes)}, not {scale} times as large;"
            f" allowed for it: {width}x{height}, and up to {scale - 1} pixels more, which are cut off"
        )
    return source, target[:height, :width]


def fit_target(pair: Aligned, scale: int, paths: tuple[Path, Path]) -> Aligned:
    """Source and target, the target resized to `scale` times the size of the source where it has that shape.

    Raises ValueError where it has another: where one side were stretched by more than `MOST_STRETCH`.
    """
    source, target = pair
    height, width = source.shape[0] * scale, source.shape[1] * scale
    if target.shape[:2] == (height, width):
        return pair
    stretch = target.shape[0] * width / (target.shape[1] * height)
    if max(stretch, 1 / stretch) > 1 + MOST_STRETCH:
        sizes = [f"{path} is {image.shape[1]}x{image.shape[0]}" for path, image in zip(paths, pair, strict=True)]
        raise ValueError(
            f"{' and '.join(sizes)}, of another shape; allowed: {width}x{height}, and other sizes of that shape, which "
            "are resized to it"
        )
    return source, prepare.resize(target, (height, width), "bicubic")


def check_scale(source: Tensor, target: Tensor, scale: int, path: Path) -> None:
    """Raise ValueError for a target (C, H, W) that is not `scale` times as large as its source after the pipeline."""
    height, width = source.shape[-2:]
    if target.shape[-2:] == (scale * height, scale * width):
        return
    sizes = f"{width}x{height} and {target.shape[-1]}x{target.shape[-2]}"
    if scale == 1:
        raise ValueError(f"{path}: the images of the pair differ in size, {sizes}; add a resize")
    choices = "crop, center_crop, limit, flip, quarter_turns"
    raise ValueError(
        f"{path}: {sizes} after the augmentations, not {scale} times as large any more; choose from: {choices}"
    )


def with_label_map(image: Image, path: Path, labels: LabelMaps) -> Aligned:
    """An image and its label map as pipelines take them, from which `class_indices` makes class indices again.

    Raises ValueError for a label map that cannot be read, and for one of another size than the image.
    """
    indices = labels.read(path)
    if indices.shape != image.shape[:2]:
        found = " and ".join(f"{width}x{height}" for height, width in (indices.shape, image.shape[:2]))
        raise ValueError(
            f"{printable(labels.files[path])} and {printable(path)}: a label map and an image of {found} pixels; "
            "allowed: equal sizes"
        )
    return image, _padded(indices)


def _padded(labels: NDArray[np.integer]) -> Image:
    """Class indices, or an instance map, (height, width), as a label map int32 (height, width, 1) of value + 1, with 0
    for 255: pixels that a step fills with 0 are ignored.
    """
    return np.where(labels == IGNORE, 0, labels.astype(np.int32) + 1)[..., None]


def class_indices(label_map: Image) -> Image:
    """Class indices, uint8 (height, width, 1), of a label map after a pipeline; 255 where there is no class."""
    return label_map.astype(np.uint8) - np.uint8(1)


def source_labels(label_map: Image, *, instances: bool) -> Image:
    """A label map after a pipeline as a source: `class_indices`, or an instance map of 16 bits, float32 in [0, 1]."""
    if not instances:
        return class_indices(label_map)
    return images.to_float(np.where(label_map == 0, IGNORE, label_map - 1).astype(np.uint16))


def to_labels(image: Image, label_maps: Sequence[Image]) -> Tensor:
    """An image's label map from a pipeline -> uint8 (height, width), 255 where there is no class or no label map."""
    if not label_maps:
        return torch.full(image.shape[:2], IGNORE, dtype=torch.uint8)
    return torch.from_numpy(class_indices(label_maps[0])[..., 0])


def to_tensor(image: Image, value_range: tuple[float, float]) -> Tensor:
    """(height, width, C) -> float32 (C, height, width) in the networks' range, to which 0..255 or [0, 1] is scaled."""
    white, target = 255 if image.dtype == np.uint8 or is_label_map(image) else 1, ValueRange(*value_range)
    # Splitting moves bytes, a quarter of what transposing floats does. One factor, not two: the bits of version 0.1.
    return torch.from_numpy(np.stack(cv2.split(image))).float().mul_(target.width / white).add_(target.low)
