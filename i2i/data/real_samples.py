"""Pairs of images and a teacher's outputs, with real images beside them."""

from pathlib import Path
from typing import Any

from torch import Tensor

from i2i.data import reading
from i2i.data.batch import Pair, PairAndReal
from i2i.data.folders import PairedFiles, SingleFiles
from i2i.data.geometry import Aligned, Image
from i2i.data.random_streams import RandomStream
from i2i.data.samples import Draw, PairedImages, Preprocessing, SingleImages


class PairedAndRealImages(PairedImages):
    """Pairs as in `PairedImages`, of which a target of another size is resized, each with a real image.

    A training sample's real image is drawn from all of them, with an augmentation of its own; it is the target where
    there are none. Held-out samples are a `Pair`.
    """

    def __init__(self, files: PairedFiles, preprocessing: Preprocessing, **options: Any) -> None:
        super().__init__(files, preprocessing, **options)
        self._seed = preprocessing.seed
        self._real = _RealImages(SingleFiles(files.real, (), False), preprocessing, field=self._fields[1])

    def __getitem__(self, key: tuple[int, int]) -> PairAndReal:  # type: ignore[override]
        pair, draw = super().__getitem__(key), (self._seed, *key)
        if not len(self._real):
            return PairAndReal(*pair, pair.target)
        number = int(RandomStream.REAL_IMAGE.generator(*draw).integers(len(self._real)))
        return PairAndReal(*pair, self._real.train_sample(number, (*draw, 1)))

    def _sample(self, item: tuple[Path, Path], images: Aligned, draw: Draw) -> Pair:
        images = reading.fit_target(images, self._scale, item[::-1] if self._swap else item)
        return super()._sample(item, images, draw)


class _RealImages(SingleImages[Tensor]):
    """Images by themselves, augmented as those of pairs."""

    def __len__(self) -> int:
        return len(self._train_items)

    def _sample(self, item: Path, images: Image, draw: Draw) -> Tensor:
        return self._augment((images,), draw, item)[0]
