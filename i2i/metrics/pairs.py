"""Measures of an image against the true one, by name; all over red, green and blue, of values in [0, 1]."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from i2i.metrics.lpips import Lpips
from i2i.metrics.msssim import ms_ssim
from i2i.metrics.pixels import psnr
from i2i.metrics.ssim import ssim


def _l1(image: Tensor, truth: Tensor) -> Tensor:
    return (image - truth).abs().flatten(1).mean(1)


_MEASURES: dict[str, tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "psnr": ("PSNR", psnr),
    "ssim": ("SSIM", ssim),
    "ms-ssim": ("MS-SSIM", ms_ssim),
    "l1": ("L1", _l1),
}
PAIR_METRICS = (*_MEASURES, "lpips")


def full_name_of_pair(name: str, lpips: Lpips | None = None) -> str:
    """`PSNR`, `LPIPS-alex`."""
    if name != "lpips":
        return _MEASURES[name][0]
    assert lpips is not None, "lpips was asked for without the distance"
    return lpips.name


def measure_pair(names: Sequence[str], image: Tensor, truth: Tensor, lpips: Lpips | None = None) -> dict[str, float]:
    """Each metric under its full name, of two images (1, 3, H, W) in [0, 1].

    Legal are the names in PAIR_METRICS; `lpips` needs the distance itself. Raises ValueError for images that differ in
    size, or are too small for one of the metrics.
    """
    if image.shape != truth.shape:
        sizes = [f"{each.shape[3]}x{each.shape[2]}" for each in (image, truth)]
        raise ValueError(f"an image of {sizes[0]} pixels, and the true one of {sizes[1]}; allowed: equal sizes")
    values = {}
    for name in names:
        measure: Any = lpips if name == "lpips" else _MEASURES[name][1]
        values[full_name_of_pair(name, lpips)] = measure(image.double(), truth.double()).item()
    return values
