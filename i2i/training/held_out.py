"""What a method is trained on and looked at with: its kind of samples, what prepares them, and the held-out ones."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from i2i import registry
from i2i.data.batch import HighResolution, Images, Pair, is_image
from i2i.data.batch_augment import BatchPipeline
from i2i.data.sources import SampleKind, Samples, is_degraded
from i2i.methods.base import Method
from i2i.methods.generation import Generation
from i2i.methods.translation import Translation
from i2i.recipe import Recipe
from i2i.recipe.components import build
from i2i.training.dry_run import check_networks

Degradation = Callable[..., Pair]
# Samples to look at, and as many as tell two sets apart
_FEW, _MANY = 8, 64
_ALL = slice(None)


def sample_kind(method: Method) -> SampleKind:
    """What a method is trained on."""
    if isinstance(method, Generation):
        channels = (method.channels,)
        return SampleKind(Images, channels, method.value_range, size=method.size, classes=method.classes)
    assert isinstance(method, Translation)
    return SampleKind(method.batch, method.channels, method.value_range, scale=method.scale)


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
    sizes = [tuple(field.shape[-2:]) for field in batch if is_image(field)]
    method.check_size(*sizes)
    check_networks(method, *sizes)


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
