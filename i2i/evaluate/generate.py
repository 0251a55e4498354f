"""Images that a model generates, written to folders beside their sources and the real images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from i2i.data.batch import PAIRED
from i2i.evaluate.folder_metrics import ImageFolders, evenly_spaced
from i2i.evaluate.held_out import HeldOutData
from i2i.evaluate.pairs import Progress, track
from i2i.inference import Translator
from i2i.latent.sampler import Sampler
from i2i_runtime import images
from i2i_runtime.engines.base import ExportedModel

_BATCH = 16  # samples from noise at a time

# Makes the callback that counts items of a noun, which may raise to stop.
ProgressOf = Callable[[str], Progress]


def write_translations(
    model: Translator | ExportedModel, data: HeldOutData, folder: Path, *, progress: ProgressOf
) -> tuple[ImageFolders, list[str]]:
    """Translate held-out images and write fake/, source/ and real/ below `folder`, as 8-bit PNG.

    Returns the folders, and a sentence for each image that cannot be read.
    """
    source_names, real_names = data.names(data.source), data.names(data.target)
    failed: list[str] = []
    for index, sample in data.read(failed, progress("images made")):
        if index < len(source_names):
            image = _pixels(sample[data.source])
            _write(folder / "source" / source_names[index], image)
            _write(folder / "fake" / source_names[index], model(image))
        if index < len(real_names):
            _write(folder / "real" / real_names[index], _pixels(sample[data.target]))
    source = folder / "source" if data.kind.scale == 1 else None
    paired = data.kind.batch in PAIRED
    return ImageFolders(folder / "fake", folder / "real", source, paired=paired, resize=True), failed


def write_samples(
    sampler: Sampler, data: HeldOutData, folder: Path, *, seed: int, progress: ProgressOf
) -> tuple[ImageFolders, list[str]]:
    """Write real images to real/ below `folder`, and as many samples of the same classes to fake/.

    Returns the folders, and a sentence for each image that cannot be read.
    """
    names = data.names(0)
    failed: list[str] = []
    labels: list[int] = []
    for index, sample in data.read(failed, progress("real images")):
        _write(folder / "real" / names[index], _pixels(sample.image))
        labels.append(int(sample.label))
    seeds = range(seed, seed + len(labels))
    count = progress("images made")
    for start in range(0, len(labels), _BATCH):
        batch = slice(start, start + _BATCH)
        pictures = sampler(seeds[batch], labels[batch] if data.kind.classes else [])
        for number, picture in zip(seeds[batch], pictures, strict=True):
            _write(folder / "fake" / f"seed{number:06d}.png", picture)
        count(len(labels[: batch.stop]), len(labels))
    return ImageFolders(folder / "fake", folder / "real", training=folder / "real", paired=False), failed


def write_training_images(data: HeldOutData, folder: Path, *, progress: ProgressOf) -> Path:
    """Write the target images of `data` to training/ below `folder`."""
    names = data.names(data.target)
    for index, sample in data.read([], progress("training images")):
        if index < len(names):
            _write(folder / "training" / names[index], _pixels(sample[data.target]))
    return folder / "training"


def translate_folder(
    model: Translator | ExportedModel, source: Path, folder: Path, *, most: int, progress: ProgressOf
) -> tuple[ImageFolders, list[str]]:
    """Translate at most `most` images of the folder `source`, as they are, and write them to fake/ below `folder`.

    Returns the folders, and a sentence for each image that cannot be read or translated.
    """
    failed: list[str] = []
    for name in track(evenly_spaced(images.list_images(source), most), progress("images made")):
        try:
            _write(folder / "fake" / name.with_suffix(".png"), model(images.read(source / name)))
        except ValueError as error:
            failed.append(str(error))
    return ImageFolders(folder / "fake", source=source if model.card.scale == 1 else None), failed


def _pixels(image: Tensor) -> NDArray[np.float32]:
    """Image (C, H, W) as (H, W, C), clipped to [0, 1]."""
    return np.ascontiguousarray(image.permute(1, 2, 0).float().numpy().clip(0, 1))


def _write(file: Path, pixels: NDArray[Any]) -> None:
    """Write an image, uint8 or float in [0, 1], with 8 bits."""
    file.parent.mkdir(parents=True, exist_ok=True)
    is_float = np.issubdtype(pixels.dtype, np.floating)
    images.write(file, images.from_float(pixels.clip(0, 1), np.uint8) if is_float else pixels)
