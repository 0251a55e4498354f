"""The files and samples that a recipe names: found, checked, and opened as the kind of batch that a method takes."""

from collections.abc import Callable
from typing import Any, NamedTuple

from i2i.data import known
from i2i.data.augment import Pipeline
from i2i.data.batch import Images, Pair
from i2i.data.folders import (
    PairedFiles,
    SingleFiles,
    UnpairedFiles,
    find_classes,
    find_pairs,
    find_single,
    find_unpaired,
)
from i2i.data.samples import HighResolutionImages, LabelledImages, PairedImages, UnpairedImages
from i2i.recipe import Recipe

Samples = Any  # PairedImages, UnpairedImages, HighResolutionImages or LabelledImages
Files = PairedFiles | UnpairedFiles | SingleFiles


class SampleKind(NamedTuple):
    """What samples have to be like: the batch's type, the channels of each of its images, the networks' value range,
    the scale where an image is enlarged; of `Images` also size in pixels and number of classes.
    """

    batch: type
    channels: tuple[int, ...]
    value_range: tuple[float, float]
    scale: int = 1
    size: int = 0
    classes: int = 0


def find_files(samples: SampleKind, recipe: Recipe, log: Callable[[str], None]) -> Files:
    """The files of the recipe's data. Raises ValueError for data that are missing or not of its kind."""
    data = recipe.data
    if not 1 <= len(data.source) <= 2:
        raise ValueError(f"data: {len(data.source)} sources given; name a known data set, one folder, or two folders")
    if samples.batch is Images:
        if len(data.source) != 1:
            raise ValueError(f"data: {len(data.source)} sources given; a generator of images from noise has one")
        return find_single(known.find(data.source[0], log=log))
    if recipe.degradation and not is_degraded(recipe):
        log("two folders: pairs of low and high resolution, to which the recipe's degradation is not applied")
    kind = "high" if is_degraded(recipe) else "paired" if samples.batch is Pair else "unpaired"
    folders = [known.find(source, kind=kind, log=log) for source in data.source]
    if is_degraded(recipe):
        return find_single(*folders)
    return find_pairs(*folders, scale=samples.scale) if samples.batch is Pair else find_unpaired(*folders)


def is_degraded(recipe: Recipe) -> bool:
    """Whether the data are single images of which a degradation makes pairs."""
    return bool(recipe.degradation) and len(recipe.data.source) == 1


def open_samples(samples: SampleKind, recipe: Recipe, files: Files) -> Samples:
    """The files as the method wants them. Raises ValueError for images that are not of its kind."""
    options: dict[str, Any] = {
        "train": Pipeline(recipe.augment.train),
        "test": Pipeline(recipe.augment.test),
        "seed": recipe.train.seed,
        "value_range": samples.value_range,
    }
    if isinstance(files, SingleFiles):
        options |= {"channels": samples.channels[-1], "fewest": recipe.train.batch_size}
        if samples.batch is Images:
            return LabelledImages(files, classes=_classes(samples, recipe), size=samples.size, **options)
        # A folder of ten photos is worth training on: crops differ.
        return HighResolutionImages(files, **options)
    options |= {"channels": samples.channels, "label_maps": recipe.data.label_maps}
    if isinstance(files, PairedFiles):
        return PairedImages(files, direction=recipe.data.direction, scale=samples.scale, **options)
    return UnpairedImages(files, **options)


def _classes(samples: SampleKind, recipe: Recipe) -> list[str]:
    folder = known.find(recipe.data.source[0])
    classes = (recipe.data.classes or find_classes(folder)) if samples.classes else []
    if len(classes) != samples.classes:
        raise ValueError(
            f"{folder}: {len(classes)} classes, but method.classes = {samples.classes}; set it to {len(classes)}"
        )
    return classes


def distinct_held_out(files: Files) -> int:
    """How many held-out samples share no image."""
    return min(map(len, files.test)) if isinstance(files, UnpairedFiles) else len(files.test)
