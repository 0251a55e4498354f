"""Very large images through generators that need the whole image, exactly, a band of rows at a time.

Instance norm wants the mean and the variance of the whole map, so that tiles would change the picture. Here the network
runs layer by layer instead, each layer over bands of rows, of which it reads as many more as its kernel needs. The
statistics of the bands are merged in float64 (Chan, Golub, LeVeque 1979, Updating Formulae and a Pairwise Algorithm for
Computing Sample Variances). Maps as tall as the image are computed again for each band rather than kept, and the rows
of the others are freed once the last layer that needs them has read them.

Memory beside image and result: 2 * features bytes per pixel for the ResNet, whatever its number of blocks (two maps at
a quarter of the size, or one at half of it, in float32), and some bands: 128 bytes per pixel as published, where the
whole image at once takes about 1000. The U-Net with instance norm takes about 1.2 * features.
"""

import numpy as np
import torch
from torch import Tensor

from i2i.banded.maps import Image
from i2i.banded.passes import prepare, result_bands
from i2i.banded.trace import Trace, trace
from i2i.networks.generators.base import ImageGenerator
from i2i_runtime.images import Array, from_float

__all__ = ["can_band", "instance_statistics", "translate_banded"]

# Of a map, per band. Deeper maps have more channels in smaller rows, so that it is about as much memory in each.
ROWS = 32


def can_band(generator: ImageGenerator) -> bool:
    """Whether every operation of the generator is known here, as it is set up now: with dropout on it is not."""
    try:
        trace(generator, Image(np.zeros((1, 1, generator.in_channels), np.uint8), generator))
    except ValueError:
        return False
    return True


@torch.inference_mode()
def translate_banded(generator: ImageGenerator, image: Array, *, rows: int = ROWS, out: Array | None = None) -> Array:
    """(H, W, in_channels) in uint8, uint16 or float32 [0, 1] -> (H * scale, W * scale, out_channels), same type.

    It is what the generator makes of the whole image, up to rounding, for any H and W: reflected at the end where the
    generator wants another size. `rows` of a map are computed at once; they change memory and time, nothing else.
    The result is written into `out`, if given. Raises ValueError for another shape or type, and for a generator that
    does something unknown here or gives values that are not finite.
    """
    traced = _traced(generator, image, rows)
    size = (image.shape[0] * generator.scale, image.shape[1] * generator.scale, generator.out_channels)
    result = np.empty(size, image.dtype) if out is None else out
    if result.shape != size:
        raise ValueError(f"out: an array of shape {result.shape} is refused; allowed: {size}")
    low, high = generator.value_range
    for start, band in result_bands(traced.result, rows, traced.image.height):
        room = result[start : start + band.shape[2]]
        shown = band[0, :, : len(room), : size[1]]  # what the padding became is cut off
        if not shown.isfinite().all():
            raise ValueError("the generator gave values that are not finite; check its weights and precision")
        room[...] = from_float(((shown - low) / (high - low)).float().permute(1, 2, 0).cpu().numpy(), result.dtype)
    return result


@torch.inference_mode()
def instance_statistics(
    generator: ImageGenerator, image: Array, *, rows: int = ROWS
) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and variance (not corrected), each (channels,) in float64, that every instance norm finds in this image.

    By the name of the layer in the generator. Image, `rows` and errors are those of `translate_banded`.
    """
    traced = _traced(generator, image, rows)
    prepare(traced.result, rows, traced.image.height)
    return {name: (norm.moments.mean, norm.moments.variance) for name, norm in traced.norms.items()}


def _traced(generator: ImageGenerator, image: Array, rows: int) -> Trace:
    if image.ndim != 3 or image.shape[2] != generator.in_channels or not image.size or rows < 1:
        raise ValueError(
            f"image of shape {image.shape} in bands of {rows} rows; allowed: (height, width, {generator.in_channels}) "
            "in 1 row or more"
        )
    return trace(generator, Image(image, generator))
