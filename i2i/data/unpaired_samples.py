"""Samples of two domains that have nothing in common but their index, with label maps or without."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from i2i.data import reading
from i2i.data.batch import LabelledUnpaired, Segmentation, Unpaired
from i2i.data.folders import SingleFiles, UnpairedFiles
from i2i.data.geometry import Image
from i2i.data.labels.maps import NO_LABELS, LabelMaps
from i2i.data.random_streams import RandomStream
from i2i.data.samples import Draw, Preprocessing, SegmentationImages, SingleImages


class _Domain(SingleImages[Tensor]):
    """The images of one of two domains."""

    def _sample(self, item: Path, images: Image, draw: Draw) -> Tensor:
        return self._augment((images,), draw, item)[0]


class UnpairedImages(Dataset[Unpaired]):
    """Images of two domains, each with a draw of its own, otherwise as `Samples`.

    An epoch is as long as the larger domain; the partner of an image of domain a is drawn from all of domain b.
    """

    def __init__(
        self,
        files: UnpairedFiles,
        preprocessing: Preprocessing,
        *,
        channels: tuple[int, ...] = (3, 3),
        label_maps: Collection[str] = (),
    ) -> None:
        self._seed = preprocessing.seed
        fields = reading.field_formats(Unpaired._fields, channels, label_maps)
        self._a, self._b = (
            self._open_domain(SingleFiles(train, test, files.held_out_from_train), preprocessing, field)
            for train, test, field in zip(files.train, files.test, fields, strict=True)
        )

    def _open_domain(self, files: SingleFiles, preprocessing: Preprocessing, field: reading.FieldFormat) -> Any:
        return _Domain(files, preprocessing, field=field)

    def __len__(self) -> int:
        return max(len(self._a), len(self._b))

    @property
    def held_out_count(self) -> int:
        counts = self._a.held_out_count, self._b.held_out_count
        return max(counts) if all(counts) else 0

    def __getitem__(self, key: tuple[int, int]) -> Unpaired:
        return Unpaired(*self._train_samples(key))

    def held_out(self, index: int) -> Unpaired:
        """The index-th test image of both domains; the smaller one starts over."""
        return Unpaired(*self._test_samples(index))

    def _train_samples(self, key: tuple[int, int]) -> tuple[Any, Any]:
        epoch, index = key
        draw = (self._seed, epoch, index)
        partner = int(RandomStream.UNPAIRED_PARTNER.generator(*draw).integers(len(self._b)))
        return self._a.train_sample(index, (*draw, 0)), self._b.train_sample(partner, (*draw, 1))

    def _test_samples(self, index: int) -> tuple[Any, Any]:
        a, b = (each.test_sample(index % each.held_out_count, (index,)) for each in (self._a, self._b))
        return a, b


class LabelledUnpairedImages(UnpairedImages):
    """Images of two domains with their label maps, drawn as in `UnpairedImages`."""

    def __init__(
        self,
        files: UnpairedFiles,
        preprocessing: Preprocessing,
        *,
        channels: tuple[int, ...] = (3, 3),
        labels: LabelMaps = NO_LABELS,
    ) -> None:
        self._labels = labels
        super().__init__(files, preprocessing, channels=channels)

    def _open_domain(self, files: SingleFiles, preprocessing: Preprocessing, field: reading.FieldFormat) -> Any:
        return SegmentationImages(files, preprocessing, field=field, labels=self._labels)

    def __getitem__(self, key: tuple[int, int]) -> LabelledUnpaired:  # type: ignore[override]
        return _labelled(*self._train_samples(key))

    def held_out(self, index: int) -> LabelledUnpaired:  # type: ignore[override]
        """As in `UnpairedImages`."""
        return _labelled(*self._test_samples(index))


def _labelled(a: Segmentation, b: Segmentation) -> LabelledUnpaired:
    return LabelledUnpaired(a.image, b.image, a.labels, b.labels)
