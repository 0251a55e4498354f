"""The data of a recipe as its method wants them, to train on and to look at."""

from collections.abc import Callable
from typing import Any

import torch

from i2i import registry
from i2i.components import build
from i2i.data import known
from i2i.data.augment import Pipeline
from i2i.data.batch import HighResolution, Images, Pair, Unpaired, is_image
from i2i.data.batch_augment import BatchPipeline
from i2i.data.folders import find_high, find_pairs, find_unpaired
from i2i.data.samples import HighImages, PairedImages, UnpairedImages
from i2i.data.singles import SingleImages, find_classes
from i2i.methods.base import Generation, Method, Translation
from i2i.recipe import Recipe

Samples = Any  # PairedImages, UnpairedImages, HighImages or SingleImages
Degradation = Callable[..., Pair]
# Samples to look at, and as many as tell two sets apart
_FEW, _MANY = 8, 64


def open_samples(method: Method, recipe: Recipe, tell: Callable[[str], None]) -> Samples:
    """The recipe's data as the method wants them. Raises ValueError for data that are missing or not of its kind."""
    data = recipe.data
    if not 1 <= len(data.source) <= 2:
        raise ValueError(f"data: {len(data.source)} sources given; name a known data set, one folder, or two folders")
    options: dict[str, Any] = {
        "train": Pipeline(recipe.augment.train),
        "test": Pipeline(recipe.augment.test),
        "seed": recipe.train.seed,
    }
    if isinstance(method, Generation):
        return _open_singles(method, recipe, tell, options)
    assert isinstance(method, Translation)
    degraded = bool(recipe.degradation) and len(data.source) == 1
    if recipe.degradation and not degraded:
        tell("two folders: pairs of low and high resolution, to which the recipe's degradation is not applied")
    kind = "high" if degraded else {Pair: "paired", Unpaired: "unpaired"}[method.batch]
    folders = [known.find(source, kind=kind, tell=tell) for source in data.source]
    options["value_range"] = method.value_range
    if degraded:
        # A folder of ten photos is worth training on: crops differ.
        options |= {"channels": method.channels[1], "fewest": recipe.train.batch_size}
        return HighImages(find_high(*folders), **options)
    options |= {"channels": method.channels, "label_maps": data.label_maps}
    if method.batch is Pair:
        files = find_pairs(*folders, scale=method.scale)
        return PairedImages(files, direction=data.direction, scale=method.scale, **options)
    return UnpairedImages(find_unpaired(*folders), **options)


def _open_singles(
    method: Generation, recipe: Recipe, tell: Callable[[str], None], options: dict[str, Any]
) -> SingleImages:
    if len(recipe.data.source) != 1:
        raise ValueError(f"data: {len(recipe.data.source)} sources given; a generator of images from noise has one")
    folder = known.find(recipe.data.source[0], tell=tell)
    classes = find_classes(folder) if method.classes else []
    if len(classes) != method.classes:
        raise ValueError(
            f"{folder}: {len(classes)} classes, but method.classes = {method.classes}; set it to {len(classes)}"
        )
    options |= {"size": method.size, "channels": method.channels, "value_range": method.value_range}
    return SingleImages(find_high(folder), classes=classes, fewest=recipe.train.batch_size, **options)


def open_degradation(method: Method, recipe: Recipe) -> Degradation | None:
    """What makes low-resolution sources on the device, where the data are single images."""
    if not recipe.degradation or len(recipe.data.source) == 2 or not isinstance(method, Translation):
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


def held_out(method: Method, samples: Samples, degradation: Degradation | None) -> list[Any]:
    """Samples for sheets and scores, as batches of one, cut to sizes that the networks can take."""
    held_out = [samples.held_out(index) for index in range(min(samples.held_out_count, _FEW))]
    if isinstance(method, Generation):
        # Too few are held out to tell two sets apart; those trained on stand in.
        more = [samples[0, index] for index in range(min(len(samples), _MANY - len(held_out)))]
        return [Images(*(field[None] for field in sample)) for sample in (*held_out, *more)]
    chosen = held_out or [samples[0, index] for index in range(min(len(samples), _FEW // 2))]
    assert isinstance(method, Translation)
    multiple = max(product.multiple_of for product in method.products().values())
    # Of a pair the target is cut `scale` times as large as the source.
    multiples = (multiple * method.scale,) if degradation else (multiple, multiple * method.scale)
    cut = [[_cut(image, by)[None] for image, by in zip(sample, multiples, strict=False)] for sample in chosen]
    if degradation is None:
        return [type(sample)(*images) for sample, images in zip(chosen, cut, strict=True)]
    # Degraded once, before anything is trained: the same pairs at every look.
    highs = [HighResolution(image, sample.seed[None]) for sample, (image,) in zip(chosen, cut, strict=True)]
    return [degradation(high, training=False) for high in highs]


def _cut(image: torch.Tensor, multiple: int) -> torch.Tensor:
    height, width = image.shape[-2:]
    return image[..., : height - height % multiple, : width - width % multiple]
