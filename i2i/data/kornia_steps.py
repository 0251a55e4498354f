"""Every kornia transform of 2D images as a step on a batch, registered under its class name with its own options."""

import inspect
from collections.abc import Callable
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch
from kornia import augmentation as kornia
from kornia.core.exceptions import BaseError
from torch import Tensor

from i2i.registry import batch_augmentations

# Not steps: base classes; conversions of the value range, which are the loader's; what wants a diffusion model, or
# tensors as options; and RandomCrop, which enlarges a smaller image without a word, where `crop` of augment.train
# refuses it. Mixtures of images (MixUp, Mosaic and their kin) are of another base class.
_LEFT_OUT = {
    *("AugmentationBase2D", "GeometricAugmentationBase2D", "IntensityAugmentationBase2D"),
    *("RigidAffineAugmentationBase2D", "Normalize", "Denormalize", "RandomDissolving", "RandomFisheye", "RandomCrop"),
}
_REFUSALS = (TypeError, ValueError, LookupError, AssertionError, NotImplementedError, RuntimeError, BaseError)


class Kornia:
    """A step that is one kornia transform: its own draw, from torch's random numbers, for every image of the batch."""

    def __init__(self, transform: kornia.AugmentationBase2D) -> None:
        self._transform = transform

    def __call__(self, images: Tensor) -> Tensor:
        try:
            return self._transform(images)
        except torch.OutOfMemoryError:
            raise
        except _REFUSALS as error:
            raise _refusal(type(self._transform), error) from error


def _refusal(transform: type, error: BaseException) -> ValueError:
    return ValueError(f"augment.batch.{transform.__name__}: {str(error).strip().splitlines()[0]}")


def _maker(transform: type[kornia.AugmentationBase2D]) -> Callable[..., Kornia]:
    """A function that makes the step; its signature has those options of the transform that a recipe can set."""

    def make(**options: Any) -> Kornia:
        try:
            return Kornia(transform(**{name: _as_asked(value, hints[name]) for name, value in options.items()}))
        except _REFUSALS as error:
            raise _refusal(transform, error) from None

    hints = {name: _in_toml(hint) for name, hint in get_type_hints(transform.__init__).items()}
    known = [option for option in inspect.signature(transform).parameters.values() if _is_option(option, hints)]
    make.__name__ = transform.__name__
    make.__doc__ = (inspect.getdoc(transform) or "").split("\n")[0]
    make.__annotations__ = {option.name: hints[option.name] for option in known}
    make.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [option.replace(kind=option.KEYWORD_ONLY, annotation=option.empty) for option in known]
    )
    return make


def _is_option(option: inspect.Parameter, hints: dict[str, Any]) -> bool:
    return hints[option.name] is not NoneType and option.name != "keepdim"  # a batch keeps its dimensions anyway


def _in_toml(hint: Any) -> Any:
    """What of a type a recipe can say: a number or text instead of a tensor, a member's name instead of the member."""
    if get_origin(hint) not in (Union, UnionType):
        return hint
    kinds = [kind for kind in get_args(hint) if not (inspect.isclass(kind) and issubclass(kind, Tensor | Enum))]
    return Union[tuple(kinds)]  # noqa: UP007


def _as_asked(value: Any, hint: Any) -> Any:
    """A recipe has lists only, and kornia takes no list for a tuple."""
    wants_tuple = tuple in [get_origin(kind) for kind in (hint, *get_args(hint))]
    return tuple(value) if isinstance(value, list) and wants_tuple else value


for _name, _class in vars(kornia).items():
    if inspect.isclass(_class) and issubclass(_class, kornia.AugmentationBase2D) and _name not in _LEFT_OUT:
        batch_augmentations.register(_name)(_maker(_class))
