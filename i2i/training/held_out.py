"""The data of a method: its kind of samples, augmentation and degradation on the device, and held-out samples."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch

from i2i import registry
from i2i.data.batch import LABELLED, HighResolution, Images, Pair, PairAndReal, image_fields, image_sizes, labels_of
from i2i.data.batch_augment import BatchPipeline
from i2i.data.sources import SampleKind, Samples, has_label_sources, is_degraded
from i2i.methods.base import Method
from i2i.methods.generation import Generation
from i2i.methods.segmentation import SemanticSegmentation
from i2i.methods.translation import Translation
from i2i.recipe import Recipe
from i2i.recipe.components import build
from i2i.training.dry_run import check_networks

Degradation = Callable[..., Pair]
_FEW, _MANY = 8, 64  # held-out samples for a sheet, and for comparing two sets of images
_ALL = slice(None)


def sample_kind(method: Method) -> SampleKind:
    """The kind of samples that a method trains on."""
    if isinstance(method, Generation):
        channels = (method.channels,)
        return SampleKind(Images, channels, method.value_range, size=method.size, classes=method.classes)
    if isinstance(method, SemanticSegmentation):
        return SampleKind(method.batch, (method.channels,), method.value_range)
    assert isinstance(method, Translation)
    return SampleKind(method.batch, method.channels, method.value_range, scale=method.scale)


def open_degradation(method: Method, recipe: Recipe) -> Degradation | None:
    """The recipe's degradation, which makes low-resolution sources on the device; None where the data are pairs."""
    if not is_degraded(recipe) or not isinstance(method, Translation):
        return None
    return build(registry.degradations, recipe.degradation | {"scale": method.scale})


def open_augmentation(method: Method, recipe: Recipe) -> BatchPipeline | None:
    """The augmentation of training batches on the device, before the degradation. Raises ValueError with label maps."""
    if not recipe.augment.batch:
        return None
    if recipe.data.label_maps or has_label_sources(method.batch, recipe):
        raise ValueError("augment.batch: it would blur the label maps that a network takes; use augment.train instead")
    pipeline = BatchPipeline(recipe.augment.batch, method.value_range)
    if method.batch in LABELLED:
        pipeline.check_labels()
    return pipeline


def first_batch(method: Method, samples: Samples, preparations: Sequence[Callable[[Any], Any]]) -> Any:
    """A batch of one training sample after augmentation and degradation. Raises ValueError where the networks cannot
    take images of its size.
    """
    sample = samples[0, 0]
    batch = type(sample)(*(field[None] for field in sample))
    for prepare in preparations:
        batch = prepare(batch)
    sizes = image_sizes(batch)
    method.check_size(*sizes)
    check_networks(method, *sizes)
    return batch


def held_out(
    method: Method,
    samples: Samples,
    degradation: Degradation | None,
    most: int | None = None,
    part: slice = _ALL,
) -> Iterator[Any]:
    """Held-out samples as batches of one image, cropped to sizes that the networks can take: a few, or at most `most`,
    and of these only `part`.
    """
    for sample in _choose_samples(method, samples, most, part):
        if isinstance(method, Generation | SemanticSegmentation):
            yield type(sample)(*(field[None] for field in sample))
            continue
        assert isinstance(method, Translation)
        if isinstance(sample, PairAndReal):  # a training sample that stands in
            sample = Pair(sample.source, sample.target)
        multiple = max(product.multiple_of for product in method.products().values())
        # The target of a pair is cropped `scale` times as large as its source.
        multiples = (multiple * method.scale,) if degradation else (multiple, multiple * method.scale)
        cropped = _crop_to_multiples(sample, multiples)
        if degradation:  # from the sample's own seed, so the same every time
            yield degradation(HighResolution(**cropped, seed=sample.seed[None]), training=False)
        else:
            yield type(sample)(**cropped)


def _choose_samples(method: Method, samples: Samples, most: int | None, part: slice) -> Iterator[Any]:
    """Held-out samples; training samples stand in where there are none, or too few to compare two sets of images."""
    held = min(samples.held_out_count, most or _FEW)
    count = (most or _MANY) if isinstance(method, Generation) else held or _FEW // 2
    spread = isinstance(method, Generation)  # the first files in the order of their names are all of one class
    held_out = _evenly_spaced(samples.held_out_count, held) if spread else range(held)
    training = _evenly_spaced(len(samples), min(len(samples), count - held))
    loaders = [partial(samples.held_out, index) for index in held_out]
    loaders += [partial(samples.__getitem__, (0, index)) for index in training]
    yield from (load() for load in loaders[part])


def _evenly_spaced(length: int, count: int) -> list[int]:
    """`count` indices into a list of this length."""
    return [index * length // count for index in range(count)]


def _crop_to_multiples(sample: Any, multiples: Sequence[int]) -> dict[str, torch.Tensor]:
    """Images of a sample, and their label maps, as batches of one, cropped to a multiple for each image in pixels."""
    kind, cropped = type(sample), {}
    for image, multiple in zip(image_fields(kind), multiples, strict=True):
        height, width = (side - side % multiple for side in getattr(sample, image).shape[-2:])
        for field in filter(None, (image, labels_of(kind, image))):
            cropped[field] = getattr(sample, field)[None, ..., :height, :width]
    return cropped
