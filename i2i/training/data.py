"""The data of a recipe as its method wants them, to train on and to look at."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch

from i2i import registry
from i2i.components import build
from i2i.data import known
from i2i.data.augment import Pipeline
from i2i.data.batch import HighResolution, Images, Pair, is_image
from i2i.data.batch_augment import BatchPipeline
from i2i.data.folders import HighFiles, PairedFiles, UnpairedFiles, find_high, find_pairs, find_unpaired
from i2i.data.samples import HighImages, PairedImages, UnpairedImages
from i2i.data.singles import SingleImages, find_classes
from i2i.methods.base import Generation, Method, Translation
from i2i.recipe import Recipe

Samples = Any  # PairedImages, UnpairedImages, HighImages or SingleImages
Files = PairedFiles | UnpairedFiles | HighFiles
Degradation = Callable[..., Pair]
# Samples to look at, and as many as tell two sets apart
_FEW, _MANY = 8, 64
_ALL = slice(None)


class Wanted(NamedTuple):
    """The kind of samples: the fields of a batch and the channels of each, its scale where one image is enlarged; of
    `Images` also their size and classes.
    """

    batch: type
    channels: tuple[int, ...]
    value_range: tuple[float, float]
    scale: int = 1
    size: int = 0
    classes: int = 0


def wanted_by(method: Method) -> Wanted:
    """What a method is trained on."""
    if isinstance(method, Generation):
        channels = (method.channels,)
        return Wanted(Images, channels, method.value_range, size=method.size, classes=method.classes)
    assert isinstance(method, Translation)
    return Wanted(method.batch, method.channels, method.value_range, scale=method.scale)


def find_files(wanted: Wanted, recipe: Recipe, tell: Callable[[str], None]) -> Files:
    """The files of the recipe's data. Raises ValueError for data that are missing or not of its kind."""
    data = recipe.data
    if not 1 <= len(data.source) <= 2:
        raise ValueError(f"data: {len(data.source)} sources given; name a known data set, one folder, or two folders")
    if wanted.batch is Images:
        if len(data.source) != 1:
            raise ValueError(f"data: {len(data.source)} sources given; a generator of images from noise has one")
        return find_high(known.find(data.source[0], tell=tell))
    if recipe.degradation and not is_degraded(recipe):
        tell("two folders: pairs of low and high resolution, to which the recipe's degradation is not applied")
    kind = "high" if is_degraded(recipe) else "paired" if wanted.batch is Pair else "unpaired"
    folders = [known.find(source, kind=kind, tell=tell) for source in data.source]
    if is_degraded(recipe):
        return find_high(*folders)
    return find_pairs(*folders, scale=wanted.scale) if wanted.batch is Pair else find_unpaired(*folders)


def is_degraded(recipe: Recipe) -> bool:
    """Whether the data are single images of which a degradation makes pairs."""
    return bool(recipe.degradation) and len(recipe.data.source) == 1


def open_samples(wanted: Wanted, recipe: Recipe, files: Files) -> Samples:
    """The files as the method wants them. Raises ValueError for images that are not of its kind."""
    options: dict[str, Any] = {
        "train": Pipeline(recipe.augment.train),
        "test": Pipeline(recipe.augment.test),
        "seed": recipe.train.seed,
        "value_range": wanted.value_range,
    }
    if isinstance(files, HighFiles):
        options |= {"channels": wanted.channels[-1], "fewest": recipe.train.batch_size}
        if wanted.batch is Images:
            return SingleImages(files, classes=_classes(wanted, recipe), size=wanted.size, **options)
        # A folder of ten photos is worth training on: crops differ.
        return HighImages(files, **options)
    options |= {"channels": wanted.channels, "label_maps": recipe.data.label_maps}
    if isinstance(files, PairedFiles):
        return PairedImages(files, direction=recipe.data.direction, scale=wanted.scale, **options)
    return UnpairedImages(files, **options)


def _classes(wanted: Wanted, recipe: Recipe) -> list[str]:
    folder = known.find(recipe.data.source[0])
    classes = (recipe.data.classes or find_classes(folder)) if wanted.classes else []
    if len(classes) != wanted.classes:
        raise ValueError(
            f"{folder}: {len(classes)} classes, but method.classes = {wanted.classes}; set it to {len(classes)}"
        )
    return classes


def open_degradation(method: Method, recipe: Recipe) -> Degradation | None:
    """What makes low-resolution sources on the device, where the data are single images."""
    if not is_degraded(recipe) or not isinstance(method, Translation):
        return None
    return build(registry.degradations, recipe.degradation | {"scale": method.scale})


def open_augmentation(method: Method, recipe: Recipe) -> BatchPipeline | None:
    """What is done to a batch on the device before the degradation, in training only."""
    if not recipe.augment.batch:
        return None
    if recipe.data.label_maps:
        raise ValueError("augment.batch: it would blur the class indices of data.label_maps; use augment.train instead")
    return BatchPipeline(recipe.augment.batch, method.value_range)


def check_sizes(
    method: Method, samples: Samples, augmentation: BatchPipeline | None, degradation: Degradation | None
) -> None:
    """Raises ValueError where the networks can't train on what the pipelines make of the images."""
    sample = samples[0, 0]
    batch = type(sample)(*(field[None] for field in sample))
    if augmentation:
        batch = augmentation(batch)
    if degradation:
        batch = degradation(batch)
    method.check_size(*(field.shape[-2:] for field in batch if is_image(field)))


def held_out(
    method: Method,
    samples: Samples,
    degradation: Degradation | None,
    most: int | None = None,
    part: slice = _ALL,
) -> Iterator[Any]:
    """Samples for sheets and scores, as batches of one, cut to sizes that the networks can take: a few, or `most`, of
    which only `part` is made.
    """
    for sample in _looked_at(method, samples, most, part):
        if isinstance(method, Generation):
            yield Images(*(field[None] for field in sample))
            continue
        assert isinstance(method, Translation)
        multiple = max(product.multiple_of for product in method.products().values())
        # Of a pair the target is cut `scale` times as large as the source.
        multiples = (multiple * method.scale,) if degradation else (multiple, multiple * method.scale)
        cut = [_cut(image, by)[None] for image, by in zip(sample, multiples, strict=False)]
        if degradation:  # the same at every look
            yield degradation(HighResolution(cut[0], sample.seed[None]), training=False)
        else:
            yield type(sample)(*cut)


def _looked_at(method: Method, samples: Samples, most: int | None, part: slice) -> Iterator[Any]:
    """Held-out samples; those trained on stand in where there are none, or too few to tell two sets of images apart."""
    held = min(samples.held_out_count, most or _FEW)
    wanted = (most or _MANY) if isinstance(method, Generation) else held or _FEW // 2
    spread = isinstance(method, Generation)  # of files in the order of their names the first are of one class
    held_out = _evenly(samples.held_out_count, held) if spread else range(held)
    trained_on = _evenly(len(samples), min(len(samples), wanted - held))
    makers = [partial(samples.held_out, index) for index in held_out]
    makers += [partial(samples.__getitem__, (0, index)) for index in trained_on]
    yield from (make() for make in makers[part])


def _evenly(count: int, wanted: int) -> list[int]:
    """As many places as are wanted of a list, evenly spaced."""
    return [place * count // wanted for place in range(wanted)]


def _cut(image: torch.Tensor, multiple: int) -> torch.Tensor:
    height, width = image.shape[-2:]
    return image[..., : height - height % multiple, : width - width % multiple]


def distinct(files: Files) -> int:
    """How many held-out samples share no image."""
    return min(map(len, files.test)) if isinstance(files, UnpairedFiles) else len(files.test)


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch of the same kind, its tensors on the device."""
    return type(batch)(*(tensor.to(device, non_blocking=True) for tensor in batch))
