"""Small files of images, and samples of them, for the tests of `i2i.data`."""

from pathlib import Path

import cv2
import numpy as np
import torch

from i2i.data.augment import Pipeline
from i2i.data.folders import PairedFiles, SingleFiles, UnpairedFiles
from i2i.data.samples import HighResolutionImages, PairedImages, Preprocessing
from i2i.data.unpaired_samples import UnpairedImages
from i2i_runtime import images

PLAIN = Pipeline({})
RANDOM = Pipeline({"resize": {"size": 20}, "crop": {"size": 16}, "flip": {}, "ColorJitter": {}})


def picture(seed: int, height: int = 16, width: int = 16, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


def written(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, image)
    return path


def pairs(folder: Path, count: int = 4, **shape) -> PairedFiles:
    train = tuple(
        (written(folder / f"a/{i}.png", picture(i, **shape)), written(folder / f"b/{i}.png", picture(100 + i, **shape)))
        for i in range(count)
    )
    return PairedFiles(train, train[:1], side_by_side=False, held_out_from_train=False)


def domains(folder: Path, count_a: int, count_b: int) -> UnpairedFiles:
    a, b = (
        tuple(written(folder / f"{name}/{i}.png", np.full((16, 16, 3), i, np.uint8)) for i in range(count))
        for name, count in (("a", count_a), ("b", count_b))
    )
    return UnpairedFiles((a, b), (a[:2], b[:1]), held_out_from_train=False)


def singles(folder: Path, count: int = 4, **shape) -> SingleFiles:
    train = tuple(written(folder / f"{i}.png", picture(i, **shape)) for i in range(count))
    return SingleFiles(train, train[:2], held_out_from_train=False)


def opened(kind, files, *, train=PLAIN, test=PLAIN, seed=0, value_range=(-1.0, 1.0), **options):
    return kind(files, Preprocessing(train, test, seed, value_range), **options)


def paired(files: PairedFiles, train: Pipeline = PLAIN, **options) -> PairedImages:
    return opened(PairedImages, files, train=train, **options)


def unpaired(files: UnpairedFiles, **options) -> UnpairedImages:
    return opened(UnpairedImages, files, value_range=(0.0, 255.0), **options)


def photos(files: SingleFiles, train: Pipeline = PLAIN, **options) -> HighResolutionImages:
    return opened(HighResolutionImages, files, train=train, **{"value_range": (0.0, 1.0), **options})


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32) / np.iinfo(image.dtype).max).permute(2, 0, 1)


def coordinates(height: int, width: int) -> np.ndarray:
    """An image whose pixels are their coordinates, (row, column, 0)."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.zeros_like(rows)], axis=2).astype(np.uint8)


def smooth(height: int, width: int, sigma: float = 3) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), sigma).astype(float)
    return np.interp(blurred, (blurred.min(), blurred.max()), (0, 255)).astype(np.uint8)


def put(path: Path, shape: tuple[int, ...] = (6, 8, 3), *, seed: int = 0, bits: int = 8) -> Path:
    """A noise image of that (height, width, channels); another seed, other pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 2**bits, shape)
    images.write(path, noise.astype(np.uint8 if bits == 8 else np.uint16))
    return path


def fill(folder: Path, count: int, *, seed: int = 0, name: str = "{}.png") -> None:
    for index in range(count):
        put(folder / name.format(index), seed=seed + index)
