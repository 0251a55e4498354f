"""Folders of images to compare: what a generator makes of held-out images, beside these and the real ones."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from i2i import registry
from i2i.data.batch import HighResolution, Images, Pair
from i2i.data.sources import Files, SampleKind, is_degraded, open_samples
from i2i.evaluate.files import names_of
from i2i.evaluate.measures import Folders, evenly
from i2i.inference import Translator
from i2i.latent.sampler import Sampler
from i2i.recipe import Recipe
from i2i.recipe.components import build
from i2i_runtime import images
from i2i_runtime.engines.base import ExportedModel

_UNIT = (0.0, 1.0)
_BATCH = 16  # samples from noise at a time


class Stopped(Exception):
    """The user asked to stop before all images were made."""


def sample_kind(make: Translator | ExportedModel | Sampler, batch: type, direction: tuple[int, int]) -> SampleKind:
    """The samples that a generator is measured on, in [0, 1]; `direction` is of `find_direction`."""
    if isinstance(make, Sampler):
        noise = make.generator
        return SampleKind(Images, (noise.out_channels,), _UNIT, size=noise.size, classes=noise.classes)
    card = make.card
    channels = (card.in_channels, card.out_channels)
    return SampleKind(batch, channels if direction == (0, 1) else channels[::-1], _UNIT, scale=card.scale)


def make_translations(
    make: Translator | ExportedModel,
    wanted: SampleKind,
    recipe: Recipe,
    files: Files,
    folder: Path,
    *,
    direction: tuple[int, int],
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> tuple[Folders, list[str]]:
    """Writes fake/, source/ and real/ under `folder`, as 8-bit PNG; and sentences about images that can't be used.

    Raises Stopped once `stop()` holds.
    """
    source, real = direction
    names = names_of(files)
    failed: list[str] = []
    for index, sample in _each_sample(wanted, recipe, files, failed, progress, stop):
        if index < len(names[source]):
            image = _pixels(sample[source])
            _write(folder / "source" / names[source][index], image)
            _write(folder / "fake" / names[source][index], make(image))
        if index < len(names[real]):
            _write(folder / "real" / names[real][index], _pixels(sample[real]))
    sources = folder / "source" if wanted.scale == 1 else None
    paired = wanted.batch is Pair
    return Folders(folder / "fake", folder / "real", sources, paired=paired, resize=True), failed


def write_training(
    wanted: SampleKind, recipe: Recipe, files: Files, folder: Path, *, real: int, stop: Callable[[], bool]
) -> Path:
    """Writes training/ under `folder`: images for training, of the field `real`, not augmented. Raises Stopped."""
    names = names_of(files)[real]
    for index, sample in _each_sample(wanted, recipe, files, [], lambda done, total: None, stop):
        if index < len(names):
            _write(folder / "training" / names[index], _pixels(sample[real]))
    return folder / "training"


def _each_sample(
    wanted: SampleKind,
    recipe: Recipe,
    files: Files,
    failed: list[str],
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> Iterator[tuple[int, Any]]:
    """Samples with their place, of those files that are for testing; degraded if they are to be."""
    samples = open_samples(wanted, recipe, files)
    table = recipe.degradation | {"scale": wanted.scale}
    degradation: Any = build(registry.degradations, table) if is_degraded(recipe) else None
    count = samples.held_out_count
    for index in range(count):
        if stop():
            raise Stopped
        try:
            sample = samples.held_out(index)
            if isinstance(sample, HighResolution):
                height, width = (side - side % wanted.scale for side in sample.image.shape[1:])
                high = HighResolution(sample.image[None, :, :height, :width], sample.seed[None])
                sample = Pair(*(image[0] for image in degradation(high, training=False)))
            yield index, sample
        except ValueError as error:
            failed += [str(error)] if str(error) not in failed else []
        progress(index + 1, count)


def make_samples(
    sampler: Sampler,
    wanted: SampleKind,
    recipe: Recipe,
    files: Files,
    folder: Path,
    *,
    seed: int,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> tuple[Folders, list[str]]:
    """Writes real/ and as many samples, of the same classes, in fake/. Raises like `make_translations`."""
    names = names_of(files)[0]
    failed: list[str] = []
    labels: list[int] = []
    for index, sample in _each_sample(wanted, recipe, files, failed, lambda done, total: None, stop):
        _write(folder / "real" / names[index], _pixels(sample.image))
        labels.append(int(sample.label))
    for first in range(0, len(labels), _BATCH):
        if stop():
            raise Stopped
        now = range(first, min(first + _BATCH, len(labels)))
        pictures = sampler([seed + at for at in now], [labels[at] for at in now] if wanted.classes else [])
        for at, picture in zip(now, pictures, strict=True):
            _write(folder / "fake" / f"seed{seed + at:06d}.png", picture)
        progress(now.stop, len(labels))
    return Folders(folder / "fake", folder / "real", training=folder / "real", paired=False), failed


def translate_files(
    make: Translator | ExportedModel,
    data: Sequence[str],
    folder: Path,
    *,
    most: int,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> tuple[Folders, list[str]]:
    """As `make_translations` where no recipe is known: of the files of the first folder as they are; the second one
    holds the real images.
    """
    source, *others = map(Path, data)
    failed: list[str] = []
    names = evenly(images.list_images(source), most)
    for done, name in enumerate(names, start=1):
        if stop():
            raise Stopped
        try:
            _write(folder / "fake" / name.with_suffix(".png"), make(images.read(source / name)))
        except ValueError as error:
            failed.append(str(error))
        progress(done, len(names))
    sources = source if make.card.scale == 1 else None
    return Folders(folder / "fake", others[0] if others else None, sources), failed


def _pixels(image: Tensor) -> NDArray[np.float32]:
    """(C, H, W) as (H, W, C) in [0, 1]."""
    return np.ascontiguousarray(image.permute(1, 2, 0).float().numpy().clip(0, 1))


def _write(file: Path, pixels: NDArray[Any]) -> None:
    """An image of 8 bits, or of values in [0, 1]."""
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = np.issubdtype(pixels.dtype, np.floating)
    images.write(file, images.from_float(pixels.clip(0, 1), np.uint8) if whole else pixels)
