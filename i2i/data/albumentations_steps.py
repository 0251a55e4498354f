"""Every albumentations transform as a pipeline step, registered under its class name with its own options."""

import inspect
import os
import random
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from i2i.data.geometry import Aligned, common_size, is_label_map
from i2i.registry import augmentations

# At import it would ask the network for a newer version of itself.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations

# Not steps on images alone: base classes, volumes and spectrograms, what needs boxes or further images; and conversions
# of the value range or layout, which are the loader's.
_LEFT_OUT = {
    *("BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D", "NoOp", "Lambda"),
    *("CenterCrop3D", "CoarseDropout3D", "CubicSymmetry", "Pad3D", "PadIfNeeded3D", "RandomCrop3D", "ToTensor3D"),
    *("FrequencyMasking", "TimeMasking", "TimeReverse"),
    *("AtLeastOneBBoxRandomCrop", "BBoxSafeRandomCrop", "RandomCropNearBBox", "RandomSizedBBoxSafeCrop"),
    *("ConstrainedCoarseDropout", "CropNonEmptyMaskIfExists", "MaskDropout"),
    *("FDA", "HistogramMatching", "PixelDistributionAdaptation", "Mosaic", "OverlayElements", "TextImage"),
    *("FromFloat", "Normalize", "ToFloat", "ToRGB", "ToTensorV2"),
}


class Albumentation:
    """A step that is one albumentations transform, with the same draw for all images; label maps are its masks."""

    def __init__(self, transform: albumentations.BasicTransform) -> None:
        self._transform = transform

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        name = type(self._transform).__name__
        height, width = common_size(name, images)
        kinds = ["mask" if is_label_map(image) else "image" for image in images]
        keys = [f"{kind}{place}" for place, kind in enumerate(kinds)]
        self._transform.add_targets(dict(zip(keys, kinds, strict=True)))
        self._transform.set_random_state(rng, random.Random(int(rng.integers(2**32))))
        # It takes the size from `image`, and refuses to run without one.
        if "image" in kinds:
            keys[kinds.index("image")] = "image"
        given = {"image": np.zeros((height, width, 3), np.uint8)} | dict(zip(keys, images, strict=True))
        try:
            done = self._transform(**given)
        except (TypeError, ValueError, NotImplementedError, cv2.error) as error:
            raise ValueError(f"{name}: {str(error).strip().splitlines()[0]}") from error
        return tuple(done[key].reshape(*done[key].shape[:2], -1) for key in keys)


def _maker(transform: type[albumentations.BasicTransform]) -> Callable[..., Albumentation]:
    """A function that makes the step; it has the transform's options and types as its signature."""

    def make(**options: Any) -> Albumentation:
        try:
            return Albumentation(transform(**options))
        except ValueError as error:
            # Of several lines by pydantic the sentence is the reason and, before it, the option, if it is about one.
            reason, inner, _ = str(error).partition(" [type=")
            lines = [line.strip() for line in reason.splitlines()]
            raise ValueError(f"{transform.__name__}: {': '.join(lines[1:] if inner else lines)}") from None

    fields = transform.InitSchema.model_fields
    known = inspect.signature(transform).parameters
    make.__name__ = transform.__name__
    make.__doc__ = (inspect.getdoc(transform) or "").split("\n")[0]
    make.__annotations__ = {name: field.annotation for name, field in fields.items() if name in known}
    make.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [option.replace(kind=option.KEYWORD_ONLY, annotation=option.empty) for option in known.values()]
    )
    return make


for _name, _class in vars(albumentations).items():
    if inspect.isclass(_class) and issubclass(_class, albumentations.BasicTransform) and _name not in _LEFT_OUT:
        augmentations.register(_name)(_maker(_class))
