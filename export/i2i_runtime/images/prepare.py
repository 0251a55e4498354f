"""Preparation of images as in training: the steps of a recipe's `augment.test` that change a whole image.

Crops and flips, which choose a part of an image or a view of it, are left out.
"""

import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np

from i2i_runtime.card import LARGEST_SIDE, Card
from i2i_runtime.images.arrays import Array

# (height, width, channels) in uint8, uint16 or float32 [0, 1] -> the same type, of any size
Prepare = Callable[[Array], Array]

PARTS = ("crop", "center_crop", "limit", "flip", "quarter_turns")
_SIZES = {"resize": "size", "scale_width": "width", "scale_short": "size"}  # the option that holds pixels
_INTERPOLATIONS = ("bicubic", "linear", "area", "nearest")
_MAX_SIDE = LARGEST_SIDE  # pixels
_UNLIKE = 2  # sides of training's images, from which on an image is unlike them


class SizeStep(NamedTuple):
    """A step that resizes: to `size` (height, width), or by the width or the shorter side, keeping the aspect ratio."""

    name: str
    size: tuple[int, int]
    interpolation: str

    def result_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width in pixels of the resized image."""
        if self.name == "resize":
            return self.size
        factor = self.size[0] / (width if self.name == "scale_width" else min(height, width))
        return max(1, round(height * factor)), max(1, round(width * factor))

    def __call__(self, image: Array) -> Array:
        """Resize one image."""
        return resize(image, self.result_size(*image.shape[:2]), self.interpolation)


def trained_steps(recipe: str) -> dict[str, Mapping[str, Any]]:
    """Options by name of the steps in a recipe's TOML, in order. Raises ValueError for a text that is no recipe."""
    try:
        steps = tomllib.loads(recipe).get("augment", {}).get("test", {})
        return {name: dict(options) for name, options in steps.items() if options is not False}
    except (AttributeError, TypeError, ValueError):
        raise ValueError("the recipe in the model cannot be read") from None


@lru_cache(maxsize=8)
def size_steps(recipe: str) -> tuple[SizeStep, ...]:
    """The steps of a recipe, all of which must resize or choose a part. Raises ValueError for any other one."""
    steps = {name: options for name, options in trained_steps(recipe).items() if name not in PARTS}
    if others := [name for name in steps if name not in _SIZES]:
        raise ValueError(
            f"prepare: images of training went through {', '.join(others)}, which is known where that is installed; "
            "use the run or the weights in i2i, or prepare the images before"
        )
    return tuple(_size_step(name, options) for name, options in steps.items())


def _size_step(name: str, options: Mapping[str, Any]) -> SizeStep:
    given, interpolation = options.get(_SIZES[name]), options.get("interpolation", "bicubic")
    sides: list[Any] = given if isinstance(given, list) else [given, given]
    valid = len(sides) == 2 and all(type(side) is int and 0 < side <= _MAX_SIDE for side in sides)
    if not valid or interpolation not in _INTERPOLATIONS:
        raise ValueError(f"prepare: {name} of {dict(options)} cannot be used; allowed: sizes from 1 to {_MAX_SIDE}")
    return SizeStep(name, (sides[0], sides[1]), interpolation)


def prepared_size(recipe: str, height: int, width: int) -> tuple[int, int]:
    """Height and width that an image had in training; its own where the recipe does not say."""
    try:
        steps = size_steps(recipe)
    except ValueError:
        return height, width
    for step in steps:
        height, width = step.result_size(height, width)
    return height, width


def is_unlike(card: Card, height: int, width: int) -> bool:
    """True for an image more than twice or less than half as large on its sides as those of training, once prepared."""
    trained = prepared_size(card.recipe, *(card.trained_size or (height, width)))
    return not 1 / _UNLIKE**2 <= height * width / (trained[0] * trained[1]) <= _UNLIKE**2


def size_advice(card: Card) -> str:
    """What to do about images that are unlike those of training, whose median size is named where it is known."""
    with suppress(ValueError):
        if size_steps(card.recipe) or card.trained_size is None:
            return "--prepare as-trained resizes them as then"
    height, width = card.trained_size or (0, 0)
    return f"for results as in training, resize them to about {width}x{height} before"


def preparation(recipe: str, *, of_labels: bool = False) -> Prepare:
    """The size steps of a recipe, one after another; those `of_labels`, maps of class indices, by nearest neighbour.

    Raises ValueError like `size_steps`.
    """
    steps = [step._replace(interpolation="nearest") if of_labels else step for step in size_steps(recipe)]

    def prepare(image: Array) -> Array:
        for step in steps:
            image = step(image)
        return image

    return prepare


def resize(image: Array, size: tuple[int, int], interpolation: str) -> Array:
    """Resize (H, W, C) to a height and width; "bicubic" is cubic to enlarge and area to shrink, as in training."""
    if interpolation == "nearest":
        return _resample(image, size, cv2.INTER_NEAREST_EXACT)
    if interpolation == "linear":
        return _resample(image, size, cv2.INTER_LINEAR)
    shrunk = _resample(image, (min(size[0], image.shape[0]), min(size[1], image.shape[1])), cv2.INTER_AREA)
    return _resample(shrunk, size, cv2.INTER_CUBIC if interpolation == "bicubic" else cv2.INTER_AREA)


def _resample(image: Array, size: tuple[int, int], mode: int) -> Array:
    if image.shape[:2] == size:
        return image
    resized = cv2.resize(image, size[::-1], interpolation=mode)
    resized = resized.reshape(*resized.shape[:2], -1)  # OpenCV drops an axis of one channel
    # Cubic weights overshoot at edges; integers saturate by themselves.
    return resized.clip(0, 1) if mode == cv2.INTER_CUBIC and resized.dtype == np.float32 else resized
