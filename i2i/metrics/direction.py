"""Direction of each metric: whether a higher or a lower value is better."""

from typing import Literal

HigherOrLower = Literal["higher", "lower"]

# By the name that a user types, and by the name of each value where one name gives several.
DIRECTIONS: dict[str, HigherOrLower] = {
    "fid": "lower",
    "kid": "lower",
    "is": "higher",
    "precision": "higher",
    "recall": "higher",
    "density": "higher",
    "coverage": "higher",
    "psnr": "higher",
    "ssim": "higher",
    "ms-ssim": "higher",
    "l1": "lower",
    "lpips": "lower",
    "diversity": "higher",
    "dependence": "higher",
    "novelty": "higher",
    "miou": "higher",
    "iou": "higher",
    "pixel accuracy": "higher",
    "edge f1": "higher",
    "edge precision": "higher",
    "edge recall": "higher",
    "gradient structure": "higher",
    "warp error": "lower",
    "flicker ratio": "lower",
}


def direction_of(full_name: str) -> HigherOrLower | None:
    """Direction of a metric such as `KID(squeezenet1_1)`, `LPIPS-alex` or `IoU road`; None for an unknown one."""
    name = full_name.lower().partition("(")[0]
    keys = (name, name.partition(" ")[0], name.partition("-")[0])
    return next((DIRECTIONS[key] for key in keys if key in DIRECTIONS), None)
