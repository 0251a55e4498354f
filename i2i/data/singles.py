"""Images of one kind, all of one square size, perhaps of several classes: what is learned to be made from noise."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from i2i.data.augment import Pipeline
from i2i.data.batch import Images
from i2i.data.folders import HighFiles
from i2i.data.geometry import Image
from i2i.data.reading import Field, Readable, read_image
from i2i.data.samples import augmented, to_tensor

_TRAIN, _TEST = 6, 7  # the use of a random draw is part of its seed; `i2i.data.samples` has those before


def find_classes(folder: Path) -> list[str]:
    """The names of the classes: the folders of images in `folder`, or in its folder `train`.

    Raises ValueError where there are none.
    """
    root = folder / "train" if (folder / "train").is_dir() else folder
    names = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(names) < 2:
        raise ValueError(f"{root}: {len(names)} folders in it; classes are folders of images, two or more")
    return names


def fit(image: Image, size: int) -> Image:
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


class SingleImages(Dataset[Images]):
    """Images fitted to `size`, then augmented, each with the number of its class among `classes`, if there are any.

    An epoch has at least `fewest` samples: few images are taken several times, each time by a draw of its own.
    Everything else is as in `PairedImages`. Raises ValueError for an image that lies in no class.
    """

    def __init__(
        self,
        files: HighFiles,
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
        return self._sample(self._train, path, image, (_TRAIN, self._seed, *key))

    def held_out(self, index: int) -> Images:
        """A test image through the test pipeline: always the same. Raises ValueError for an unreadable file."""
        path = self._held_out[index]
        return self._sample(self._test, path, self._read(path), (_TEST, index))

    def _sample(self, pipeline: Pipeline, path: Path, image: Image, seed: tuple[int, ...]) -> Images:
        (image,) = augmented(pipeline, (fit(image, self._size),), seed, path)
        return Images(to_tensor(image, self._value_range), torch.tensor(self._label(path)))

    def _label(self, path: Path) -> int:
        """The innermost folder that is a class says which one it is."""
        if not self._classes:
            return 0
        for folder in path.parents:
            if folder.name in self._classes:
                return self._classes[folder.name]
        raise ValueError(f"{path}: lies in none of the classes {', '.join(self._classes)}; move it into one")
