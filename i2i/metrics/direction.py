"""Direction of each metric: whether a higher or a lower value is better."""

from typing import Literal

HigherOrLower = Literal["higher", "lower"]

# By the name that a user types, and by the name of each value where one name gives several.
_LOWER = ("fid", "kid", "l1", "lpips", "ppl", "warp error", "flicker ratio")
_HIGHER = (
    *("is", "precision", "recall", "density", "coverage", "diversity", "dependence", "novelty"),
    *("psnr", "ssim", "ms-ssim", "miou", "iou", "pixel accuracy", "probe accuracy"),
    *("eq-t", "eq-r"),
    *("edge f1", "edge precision", "edge recall", "gradient structure"),
)
DIRECTIONS: dict[str, HigherOrLower] = {**dict.fromkeys(_LOWER, "lower"), **dict.fromkeys(_HIGHER, "higher")}


def direction_of(full_name: str) -> HigherOrLower | None:
    """Direction of a metric such as `KID(squeezenet1_1)`, `LPIPS-alex` or `IoU road`; None for an unknown one."""
    name = full_name.lower().partition("(")[0]
    keys = (name, name.partition(" ")[0], name.partition("-")[0])
    return next((DIRECTIONS[key] for key in keys if key in DIRECTIONS), None)
