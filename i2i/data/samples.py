"""Samples for training and testing: files are read as arrays, a pipeline augments these by one random draw, and they
become float32 tensors (channels, height, width) in the networks' value range.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from i2i.data import reading
from i2i.data.augment import Pipeline
from i2i.data.batch import HighResolution, Images, Pair, Segmentation
from i2i.data.folders import PairedFiles, SingleFiles
from i2i.data.geometry import Aligned, Image, fit_square
from i2i.data.labels.maps import LabelMaps
from i2i.data.random_streams import RandomStream

Item = TypeVar("Item")  # the file or files of a sample
Sample = TypeVar("Sample")
RGB = reading.FieldFormat(3)


class Preprocessing(NamedTuple):
    """How images become tensors: the pipelines for training and testing, the run's seed, the networks' range."""

    train: Pipeline
    test: Pipeline
    seed: int
    value_range: tuple[float, float] = (-1.0, 1.0)


class Draw(NamedTuple):
    """The random numbers of one sample: of training, by (seed, epoch, index), or of testing, by (index,)."""

    training: bool
    key: tuple[int, ...]


class Samples(Dataset[Sample], ABC, Generic[Item, Sample]):
    """Samples of one kind: `samples[epoch, index]` to train on, `samples.held_out(index)` to test on.

    A training sample depends on (seed, epoch, index) alone, in whichever process; a held-out one on its index. An
    epoch has at least `min_samples` samples: items that are fewer are repeated, each time by another draw. An
    item that is unreadable, or whose images differ in size or are refused by the pipeline, is replaced in training by
    the next one, with one warning. Raises ValueError where none can be read or many in a row are refused, and for such
    a held-out item.
    """

    _streams = RandomStream.TEST_AUGMENTATION, RandomStream.TRAIN_AUGMENTATION

    def __init__(
        self, train: Sequence[Item], test: Sequence[Item], preprocessing: Preprocessing, *, min_samples: int = 1
    ) -> None:
        self._train_items, self._test_items = reading.ReplaceableItems(train), test
        self._preprocessing, self._min_samples = preprocessing, min_samples

    @abstractmethod
    def _read(self, item: Item) -> Any:
        """The item's image or images as arrays."""

    @abstractmethod
    def _sample(self, item: Item, images: Any, draw: Draw) -> Sample:
        """The sample of an item that has been read."""

    def __len__(self) -> int:
        return max(len(self._train_items), self._min_samples)

    @property
    def held_out_count(self) -> int:
        return len(self._test_items)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        return self.train_sample(index, (self._preprocessing.seed, epoch, index))

    def held_out(self, index: int) -> Sample:
        return self.test_sample(index, (index,))

    def train_sample(self, index: int, key: tuple[int, ...]) -> Sample:
        """The training item at `index`, which starts over at their number, by the random numbers of `key`."""
        use = partial(self._sample, draw=Draw(True, key))
        return self._train_items.sample(index % len(self._train_items), self._read, use)

    def test_sample(self, index: int, key: tuple[int, ...]) -> Sample:
        """The held-out item at `index` by the random numbers of `key`."""
        item = self._test_items[index]
        return self._sample(item, self._read(item), Draw(False, key))

    def _augment(self, images: Aligned, draw: Draw, path: Path) -> list[Tensor]:
        return [self._to_tensor(image) for image in self._transform(images, draw, path)]

    def _to_tensor(self, image: Image) -> Tensor:
        return reading.to_tensor(image, self._preprocessing.value_range)

    def _transform(self, images: Aligned, draw: Draw, path: Path) -> Aligned:
        """The images after the pipeline. Raises ValueError, naming `path`, for images that a step refuses."""
        pipeline = self._preprocessing.train if draw.training else self._preprocessing.test
        try:
            return pipeline(images, self._streams[draw.training].generator(*draw.key))
        except ValueError as error:
            raise ValueError(f"{error} ({path})") from error


class PairedImages(Samples[tuple[Path, Path], Pair]):
    """Pairs whose two images share every draw.

    `label_maps` names the fields ("source", "target") that hold class indices: these are resized by nearest neighbour
    and keep their values (0..255 maps to the value range as in any image). With `labels`, sources are the label maps
    among these, as class indices, 255 where there is none, or instance maps in 16 bits. The target is `scale` times as
    large as the source; up to `scale` - 1 rows and columns more are cut off. Raises ValueError where sizes are not so.
    """

    def __init__(
        self,
        files: PairedFiles,
        preprocessing: Preprocessing,
        *,
        channels: tuple[int, ...] = (3, 3),
        direction: Literal["a_to_b", "b_to_a"] = "a_to_b",
        label_maps: Collection[str] = (),
        scale: int = 1,
        labels: LabelMaps | None = None,
    ) -> None:
        source, target = reading.field_formats(Pair._fields, channels, label_maps)
        self._fields = (source._replace(labels=labels), target)
        self._side_by_side, self._swap, self._scale = files.side_by_side, direction == "b_to_a", scale
        super().__init__(files.train, files.test, preprocessing)

    def _read(self, item: tuple[Path, Path]) -> Aligned:
        return reading.read_pair(item, self._fields, side_by_side=self._side_by_side, swap=self._swap)

    def _sample(self, item: tuple[Path, Path], images: Aligned, draw: Draw) -> Pair:
        if self._scale > 1:
            images = reading.crop_to_scale(images, self._scale, item[::-1] if self._swap else item)
        augmented = zip(self._transform(images, draw, item[0]), self._fields, strict=True)
        arrays = [
            reading.source_labels(image, instances=field.labels.instances) if field.labels else image
            for image, field in augmented
        ]
        pair = Pair(*map(self._to_tensor, arrays))
        reading.check_scale(*pair, self._scale, item[0])
        return pair


class SingleImages(Samples[Path, Sample]):
    """Samples of one file each."""

    def __init__(
        self,
        files: SingleFiles,
        preprocessing: Preprocessing,
        *,
        field: reading.FieldFormat = RGB,
        min_samples: int = 1,
    ) -> None:
        self._field = field
        super().__init__(files.train, files.test, preprocessing, min_samples=min_samples)

    def _read(self, item: Path) -> Image:
        return reading.read_image(item, self._field)


class HighResolutionImages(SingleImages[HighResolution]):
    """Photos of which a degradation makes pairs, each with the seed of its degradation."""

    def _sample(self, item: Path, images: Image, draw: Draw) -> HighResolution:
        stream = RandomStream.TRAIN_DEGRADATION if draw.training else RandomStream.TEST_DEGRADATION
        seed = int(stream.generator(*draw.key).integers(2**63 - 1))
        return HighResolution(self._augment((images,), draw, item)[0], torch.tensor(seed))


class LabelledImages(SingleImages[Images]):
    """Square images of `size` pixels, fitted before they are augmented, with the number of their class.

    The class of an image is the innermost of its folders that is named in `classes`; without these it is 0. Raises
    ValueError for an image in the folder of no class.
    """

    _streams = RandomStream.LABELLED_TEST_AUGMENTATION, RandomStream.LABELLED_TRAIN_AUGMENTATION

    def __init__(
        self,
        files: SingleFiles,
        preprocessing: Preprocessing,
        *,
        size: int,
        classes: Sequence[str] = (),
        field: reading.FieldFormat = RGB,
        min_samples: int = 1,
    ) -> None:
        self._size = size
        self._labels = {path: _label(path, classes) for path in (*files.train, *files.test)}
        super().__init__(files, preprocessing, field=field, min_samples=min_samples)

    def _sample(self, item: Path, images: Image, draw: Draw) -> Images:
        (image,) = self._augment((fit_square(images, self._size),), draw, item)
        return Images(image, torch.tensor(self._labels[item]))


class SegmentationImages(SingleImages[Segmentation]):
    """Images with their label maps, which share every draw; one without a map has a map of 255 alone."""

    def __init__(self, files: SingleFiles, preprocessing: Preprocessing, *, labels: LabelMaps, **options: Any) -> None:
        self._labels = labels
        super().__init__(files, preprocessing, **options)

    def _read(self, item: Path) -> Any:
        image = super()._read(item)
        return reading.with_label_map(image, item, self._labels) if item in self._labels.files else (image,)

    def _sample(self, item: Path, images: Aligned, draw: Draw) -> Segmentation:
        image, *labels = self._transform(images, draw, item)
        return Segmentation(self._to_tensor(image), reading.to_labels(image, labels))


def _label(path: Path, classes: Sequence[str]) -> int:
    if not classes:
        return 0
    for folder in path.parents:
        if folder.name in classes:
            return classes.index(folder.name)
    raise ValueError(f"{path}: lies in none of the classes {', '.join(classes)}; move it into one")
