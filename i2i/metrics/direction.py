"""Which way is up: for every metric that has a name, whether a higher or a lower figure is the better one."""

from typing import Literal

Better = Literal["higher", "lower"]

# By the name that a user asks for, and by that of a figure where one name stands for several.
BETTER: dict[str, Better] = {
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


def better(name: str) -> Better | None:
    """Of a figure by its full name: `KID(squeezenet1_1)`, `LPIPS-alex`, `IoU road`; None for one that is not known."""
    plain = name.lower().partition("(")[0]
    return next(
        (BETTER[key] for key in (plain, plain.partition(" ")[0], plain.partition("-")[0]) if key in BETTER), None
    )
