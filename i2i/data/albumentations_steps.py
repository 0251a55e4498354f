"""Every albumentations transform as a pipeline step, registered under its class name with its own options."""

import inspect
import os
import random
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from i2i.data.geometry import Aligned, common_size, is_label_map
from i2i.data.third_party import describe, register_all
from i2i.registry import augmentations

# Without it, the import looks for updates on the network.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations

# Base classes; transforms of volumes and spectrograms, or with boxes or further images; and conversions of the value
# range or layout, which `i2i.data.reading` does.
_LEFT_OUT = {
    *("BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D", "NoOp", "Lambda"),
    *("CenterCrop3D", "CoarseDropout3D", "CubicSymmetry", "Pad3D", "PadIfNeeded3D", "RandomCrop3D", "ToTensor3D"),
    *("FrequencyMasking", "TimeMasking", "TimeReverse"),
    *("AtLeastOneBBoxRandomCrop", "BBoxSafeRandomCrop", "RandomCropNearBBox", "RandomSizedBBoxSafeCrop"),
    *("ConstrainedCoarseDropout", "CropNonEmptyMaskIfExists", "MaskDropout"),
    *("FDA", "HistogramMatching", "PixelDistributionAdaptation", "Mosaic", "OverlayElements", "TextImage"),
    *("FromFloat", "Normalize", "ToFloat", "ToRGB", "ToTensorV2"),
}
# As our own steps have them, see `i2i.recipe.pipelines`.
_ROLES = {
    **dict.fromkeys(("Resize", "LongestMaxSize", "SmallestMaxSize"), "size"),
    **dict.fromkeys(("RandomCrop", "CenterCrop", "RandomResizedCrop"), "crop"),
    "HorizontalFlip": "flip",
}


class AlbumentationsStep:
    """One albumentations transform as a step: the same draw for all images, label maps as its masks."""

    def __init__(self, transform: albumentations.BasicTransform) -> None:
        self._transform = transform

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        name = type(self._transform).__name__
        height, width = common_size(name, images)
        targets = ["mask" if is_label_map(image) else "image" for image in images]
        keys = [f"{target}{index}" for index, target in enumerate(targets)]
        self._transform.add_targets(dict(zip(keys, targets, strict=True)))
        self._transform.set_random_state(rng, random.Random(int(rng.integers(2**32))))
        # It takes the size from `image`, and refuses to run without one.
        if "image" in targets:
            keys[targets.index("image")] = "image"
        inputs = {"image": np.zeros((height, width, 3), np.uint8)} | dict(zip(keys, images, strict=True))
        try:
            outputs = self._transform(**inputs)
        except (TypeError, ValueError, NotImplementedError, cv2.error) as error:
            raise ValueError(f"{name}: {str(error).strip().splitlines()[0]}") from error
        return tuple(outputs[key].reshape(*outputs[key].shape[:2], -1) for key in keys)


def _component(transform: type[albumentations.BasicTransform]) -> Callable[..., AlbumentationsStep]:
    def create(**options: Any) -> AlbumentationsStep:
        try:
            return AlbumentationsStep(transform(**options))
        except ValueError as error:
            # pydantic's lines are a title, the option if one is refused, and the reason with details in brackets.
            reason, details, _ = str(error).partition(" [type=")
            lines = [line.strip() for line in reason.splitlines()]
            raise ValueError(f"{transform.__name__}: {': '.join(lines[1:] if details else lines)}") from None

    types = {name: field.annotation for name, field in transform.InitSchema.model_fields.items()}
    create.role = _ROLES.get(transform.__name__, "")  # type: ignore[attr-defined]
    return describe(create, transform, inspect.signature(transform).parameters.values(), types)


register_all(augmentations, albumentations, albumentations.BasicTransform, _LEFT_OUT, _component)
