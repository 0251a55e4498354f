"""Samples for training and for looking at: files read, augmented, and turned into tensors for the networks.

A training sample depends on (seed, epoch, index) alone, whichever process makes it.
"""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from i2i.data.augment import Pipeline
from i2i.data.batch import HighResolution, Images, Pair, Unpaired
from i2i.data.folders import PairedFiles, SingleFiles, UnpairedFiles
from i2i.data.geometry import Aligned, Image
from i2i.data.reading import (
    Field,
    Readable,
    cut_to_scale,
    declare,
    dimensions,
    fit_square,
    read_image,
    read_pair,
    to_tensor,
)

# The use of a random draw is part of its seed, so that no two draws are the same by accident.
_TRAIN, _PARTNER, _TEST, _DEGRADE, _DEGRADE_TEST, _SINGLE_TRAIN, _SINGLE_TEST = 1, 2, 3, 4, 5, 6, 7


class PairedImages(Dataset[Pair]):
    """Pairs, both images under one random draw: `dataset[epoch, index]` to train on, `held_out(index)` to look at.

    Tensors are float32 (channels, height, width) in `value_range`. `label_maps` names the fields ("source", "target")
    that hold class indices: they are moved without interpolation and their values kept (0..255 maps to `value_range` as
    in any image). The target is `scale` times as large as the source; less than `scale` rows and columns more are cut
    off. A pair that cannot be read is replaced in training by the next one, with one warning. Raises ValueError where
    none can be read, and for images of other sizes or that the pipeline can't take.
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
        scale: int = 1,
    ) -> None:
        fields = declare(Pair._fields, channels, label_maps)
        self._read = partial(read_pair, fields=fields, side_by_side=files.side_by_side, swap=direction == "b_to_a")
        self._pairs, self._held_out = Readable(files.train, self._read), files.test
        self._train, self._test, self._seed, self._value_range = train, test, seed, value_range
        self._scale, self._swap = scale, direction == "b_to_a"

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

    def _sample(self, pipeline: Pipeline, paths: tuple[Path, Path], pair: Aligned, seed: tuple[int, ...]) -> Pair:
        if self._scale > 1:
            pair = cut_to_scale(pair, self._scale, paths[::-1] if self._swap else paths)
        source, target = augmented(pipeline, pair, seed, paths[0])
        _check_sizes(source, target, self._scale, paths[0])
        return Pair(to_tensor(source, self._value_range), to_tensor(target, self._value_range))


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
        self._readers = [partial(read_image, field=field) for field in declare(Unpaired._fields, channels, label_maps)]
        self._a, self._b = map(Readable, files.train, self._readers)
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
        return to_tensor(augmented(pipeline, (image,), seed, path)[0], self._value_range)


class HighResolutionImages(Dataset[HighResolution]):
    """Single images, of which a degradation makes pairs, each with the seed that its degradation depends on.

    That seed is drawn from (seed, epoch, index), for a held-out image from its index. An epoch has at least `fewest`
    samples: few photos are taken several times, each time by a draw of its own. Everything else is as in
    `PairedImages`.
    """

    def __init__(
        self,
        files: SingleFiles,
        *,
        train: Pipeline,
        test: Pipeline,
        seed: int,
        channels: int = 3,
        value_range: tuple[float, float] = (0.0, 1.0),
        fewest: int = 1,
    ) -> None:
        self._read = partial(read_image, field=Field(channels, label_map=False))
        self._images, self._held_out = Readable(files.train, self._read), files.test
        self._train, self._test, self._seed, self._value_range = train, test, seed, value_range
        self._fewest = fewest

    def __len__(self) -> int:
        return max(len(self._images), self._fewest)

    @property
    def held_out_count(self) -> int:
        return len(self._held_out)

    def __getitem__(self, key: tuple[int, int]) -> HighResolution:
        draw = (self._seed, *key)
        path, image = self._images[key[1] % len(self._images)]
        return self._sample(self._train, path, image, (_TRAIN, *draw), (_DEGRADE, *draw))

    def held_out(self, index: int) -> HighResolution:
        """A test image through the test pipeline: always the same. Raises ValueError for an unreadable file."""
        path = self._held_out[index]
        return self._sample(self._test, path, self._read(path), (_TEST, index), (_DEGRADE_TEST, index))

    def _sample(
        self, pipeline: Pipeline, path: Path, image: Image, seed: tuple[int, ...], degrade: tuple[int, ...]
    ) -> HighResolution:
        (image,) = augmented(pipeline, (image,), seed, path)
        own = int(np.random.default_rng(degrade).integers(2**63 - 1))
        return HighResolution(to_tensor(image, self._value_range), torch.tensor(own))


class LabelledImages(Dataset[Images]):
    """Images fitted to `size`, then augmented, each with the number of its class among `classes`, if there are any.

    An epoch has at least `fewest` samples: few images are taken several times, each time by a draw of its own.
    Everything else is as in `PairedImages`. Raises ValueError for an image that lies in no class.
    """

    def __init__(
        self,
        files: SingleFiles,
        *,
        train: Pipeline,
        test: Pipeline,
        seed: int,
        size: int,
        classes: Sequence[str] = (),
        channels: int = 3,
        value_range: tuple[float, float] = (-1.0, 1.0),
        fewest: int = 1,
    ) -> None:
        self._read = partial(read_image, field=Field(channels, label_map=False))
        self._images, self._held_out = Readable(files.train, self._read), files.test
        self._train, self._test, self._seed, self._size = train, test, seed, size
        self._classes = {name: number for number, name in enumerate(classes)}
        self._value_range, self._fewest = value_range, fewest
        for path in (*files.train, *files.test):
            self._label(path)

    def __len__(self) -> int:
        return max(len(self._images), self._fewest)

    @property
    def held_out_count(self) -> int:
        return len(self._held_out)

    def __getitem__(self, key: tuple[int, int]) -> Images:
        path, image = self._images[key[1] % len(self._images)]
        return self._sample(self._train, path, image, (_SINGLE_TRAIN, self._seed, *key))

    def held_out(self, index: int) -> Images:
        """A test image through the test pipeline: always the same. Raises ValueError for an unreadable file."""
        path = self._held_out[index]
        return self._sample(self._test, path, self._read(path), (_SINGLE_TEST, index))

    def _sample(self, pipeline: Pipeline, path: Path, image: Image, seed: tuple[int, ...]) -> Images:
        (image,) = augmented(pipeline, (fit_square(image, self._size),), seed, path)
        return Images(to_tensor(image, self._value_range), torch.tensor(self._label(path)))

    def _label(self, path: Path) -> int:
        """The innermost folder that is a class says which one it is."""
        if not self._classes:
            return 0
        for folder in path.parents:
            if folder.name in self._classes:
                return self._classes[folder.name]
        raise ValueError(f"{path}: lies in none of the classes {', '.join(self._classes)}; move it into one")


def augmented(pipeline: Pipeline, pictures: Aligned, seed: tuple[int, ...], path: Path) -> Aligned:
    try:
        return pipeline(pictures, seed)
    except ValueError as error:
        raise ValueError(f"{error} ({path})") from error


def _check_sizes(source: Image, target: Image, scale: int, path: Path) -> None:
    if target.shape[:2] == (scale * source.shape[0], scale * source.shape[1]):
        return
    sizes = f"{dimensions(source)} and {dimensions(target)}"
    if scale == 1:
        raise ValueError(f"{path}: the images of the pair differ in size, {sizes}; add a resize")
    choices = "crop, center_crop, limit, flip, quarter_turns"
    raise ValueError(
        f"{path}: {sizes} after the augmentations, not {scale} times as large any more; choose from: {choices}"
    )
