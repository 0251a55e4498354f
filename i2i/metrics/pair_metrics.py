"""Metrics of an image and its ground truth, by name: PSNR, SSIM, MS-SSIM, L1, LPIPS."""

from collections.abc import Callable, Sequence

from torch import Tensor

from i2i.metrics.lpips import Lpips
from i2i.metrics.ms_ssim import ms_ssim
from i2i.metrics.psnr import psnr
from i2i.metrics.ssim import ssim


def _l1(image: Tensor, truth: Tensor) -> Tensor:
    return (image - truth).abs().flatten(1).mean(1)


_FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"psnr": psnr, "ssim": ssim, "ms-ssim": ms_ssim, "l1": _l1}
PAIR_METRICS = (*_FUNCTIONS, "lpips")


def full_name_of_pair_metric(name: str, lpips: Lpips | None = None) -> str:
    """Full name of a metric: `PSNR`, or `LPIPS-alex` with the network of `lpips`."""
    if name != "lpips":
        return name.upper()
    assert lpips is not None, "lpips needs an open network"
    return lpips.name


def measure_pair(names: Sequence[str], image: Tensor, truth: Tensor, lpips: Lpips | None = None) -> dict[str, float]:
    """Metrics of an image (1, 3, H, W) in [0, 1] and its truth, by full name; `names` are of PAIR_METRICS.

    The metric `lpips` needs the network `lpips`. Raises ValueError for images of different sizes, or too small for a
    metric.
    """
    if image.shape != truth.shape:
        sizes = [f"{each.shape[3]}x{each.shape[2]}" for each in (image, truth)]
        raise ValueError(f"an image of {sizes[0]} pixels, and the true one of {sizes[1]}; allowed: equal sizes")
    functions = _FUNCTIONS | ({"lpips": lpips} if lpips else {})
    return {
        full_name_of_pair_metric(name, lpips): functions[name](image.double(), truth.double()).item() for name in names
    }
