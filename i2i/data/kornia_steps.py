"""Every kornia transform of 2D images as a step on a batch, registered under its class name with its own options."""

import inspect
from collections.abc import Callable
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch
from kornia import augmentation as kornia
from kornia.constants import Resample
from kornia.core.exceptions import BaseError
from torch import Tensor

from i2i.data.third_party import describe, register_all
from i2i.registry import batch_augmentations

# Base classes; conversions of the value range, which `i2i.data.reading` does; transforms with a diffusion model or with
# tensors as options; and RandomCrop, which pads a smaller image silently, where `crop` of augment.train refuses it.
_LEFT_OUT = {
    *("AugmentationBase2D", "GeometricAugmentationBase2D", "IntensityAugmentationBase2D"),
    *("RigidAffineAugmentationBase2D", "Normalize", "Denormalize", "RandomDissolving", "RandomFisheye", "RandomCrop"),
}
_REFUSALS = (TypeError, ValueError, LookupError, AssertionError, NotImplementedError, RuntimeError, BaseError)


# Options with the value of pixels that an image did not have, for label maps.
_FILLS = {"fill_value": torch.zeros(()), "pad_value": 0.0}


class KorniaStep:
    """One kornia transform as a step: a draw from torch's random numbers for every image of the batch."""

    def __init__(self, transform: kornia.AugmentationBase2D) -> None:
        self._transform = transform

    def __call__(self, images: Tensor) -> Tensor:
        try:
            return self._transform(images)
        except torch.OutOfMemoryError:
            raise
        except _REFUSALS as error:
            raise _refusal(type(self._transform), error) from error

    def with_labels(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The images and their label maps (N, H, W), uint8, of which only geometric transforms change the latter: by
        nearest neighbour, and with `IGNORE` where an image is filled or erased.
        """
        images = self(images)
        transform: Any = self._transform
        # Filled pixels are 0 in a mask, so that 0 stands for `IGNORE`, and class 0 for 1.
        masks = (labels + 1).unsqueeze(1).float()  # uint8: 255 + 1 is 0
        flags, matrix = transform.flags, getattr(transform, "transform_matrix", None)
        fills = {name: value for name, value in _FILLS.items() if flags.get(name) is not None}
        nearest = {"resample": Resample.NEAREST} if "resample" in flags else {}
        try:
            masks = transform.transform_masks(masks, transform._params, flags, matrix, **fills, **nearest)
        except NotImplementedError:
            raise ValueError(
                f"augment.batch.{type(transform).__name__}: kornia does not move label maps by it; "
                "use another step, or one of augment.train"
            ) from None
        return images, masks[:, 0].to(torch.uint8) - 1


def _refusal(transform: type, error: BaseException) -> ValueError:
    return ValueError(f"augment.batch.{transform.__name__}: {str(error).strip().splitlines()[0]}")


def _component(transform: type[kornia.AugmentationBase2D]) -> Callable[..., KorniaStep]:
    def create(**options: Any) -> KorniaStep:
        try:
            return KorniaStep(transform(**{name: _from_toml(value, types[name]) for name, value in options.items()}))
        except _REFUSALS as error:
            raise _refusal(transform, error) from None

    types = {name: _toml_type(hint) for name, hint in get_type_hints(transform.__init__).items()}
    # A batch keeps its dimensions anyway.
    options = [
        option
        for option in inspect.signature(transform).parameters.values()
        if types[option.name] is not NoneType and option.name != "keepdim"
    ]
    return describe(create, transform, options, types)


def _toml_type(hint: Any) -> Any:
    """The part of a type that a recipe can hold: numbers without tensors, the names of an enum without its members."""
    if get_origin(hint) not in (Union, UnionType):
        return hint
    kinds = [kind for kind in get_args(hint) if not (inspect.isclass(kind) and issubclass(kind, Tensor | Enum))]
    return Union[tuple(kinds)]  # noqa: UP007


def _from_toml(value: Any, hint: Any) -> Any:
    """A list as a tuple where kornia requires one: a recipe has lists only."""
    needs_tuple = tuple in [get_origin(kind) for kind in (hint, *get_args(hint))]
    return tuple(value) if isinstance(value, list) and needs_tuple else value


register_all(batch_augmentations, kornia, kornia.AugmentationBase2D, _LEFT_OUT, _component)
