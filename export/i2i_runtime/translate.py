"""One image through one network, whatever runs the network, whatever kind of image it is, and however large."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling

from i2i_runtime import tiles
from i2i_runtime.card import Card
from i2i_runtime.images import Array, from_float, to_float, with_channels
from i2i_runtime.images.resize import resize
from i2i_runtime.tiles import Span, Tiling

# float32 (N, C, H, W) in [0, 1] -> float32 (N, C', H * scale, W * scale) in [0, 1]; MemoryError asks for smaller tiles
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# (H, W, in_channels) and an array of the result's size and the same type, which it fills with what the network makes of
# the whole image, in less memory than the network itself would take
Banded = Callable[[Array, Array], None]

LARGEST_OUTSCALE = 16
LARGEST_WHOLE = 2**21  # pixels of an image that goes through at once where there is another way without tiles


def translate_image(
    network: Network,
    card: Card,
    image: Array,
    *,
    tiling: Tiling | None = None,
    banded: Banded | None = None,
    outscale: float | None = None,
) -> Array:
    """(H, W) or (H, W, 1|3|4) in uint8, uint16 or float32 [0, 1] -> (H * scale, W * scale, out_channels), same type.

    A large image goes through in tiles where the network can take them; `tiling` says how large, and remembers what
    fitted into memory. Where it needs the whole image, a large one goes through `banded`, if given. With `outscale` the
    result is resampled to that many times the size of the image.

    Colour is converted to what the network takes. Grey through a network that enlarges colours comes out grey. Alpha
    goes past a network of grey or RGB, resampled where the size changes; no colour of a wholly transparent pixel then
    bleeds into the others. Grey with alpha comes out as RGBA. (H, W) comes back as (H, W) if the result is grey. Raises
    ValueError for another shape or type, when the network gives something else than its card says, and when there is
    not enough memory for the smallest tile.
    """
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)) or not image.size:
        raise ValueError(f"image of shape {image.shape}; allowed: (height, width) or (height, width, 1, 3 or 4)")
    pixels = image.reshape(*image.shape[:2], -1)
    height, width, channels = pixels.shape
    size = result_size(card, height, width, outscale)
    has_alpha = channels == 4 and 4 not in (card.in_channels, card.out_channels)
    colours = _colours(card, channels, has_alpha)
    result = np.empty((*size, colours + has_alpha), image.dtype)
    visible = _without_hidden_colours(pixels) if has_alpha and size != (height, width) else pixels
    _upscale(network, card, visible, result[..., :colours], tiling or Tiling(card), None if card.overlap else banded)
    if has_alpha:
        # Not Lanczos, which rings into what is wholly opaque or transparent.
        resize(pixels[..., 3:], result[..., colours:], by=Resampling.BICUBIC)
    return result[..., 0] if image.ndim == 2 and colours == 1 else result


def result_size(card: Card, height: int, width: int, outscale: float | None = None) -> tuple[int, int]:
    """Height and width in pixels of what an image becomes, at least 1. Raises ValueError for a wrong `outscale`."""
    factor = card.scale if outscale is None else outscale
    if not 0 < factor <= max(card.scale, LARGEST_OUTSCALE):
        raise ValueError(f"outscale: {factor} is refused; allowed: above 0, up to {LARGEST_OUTSCALE}")
    return max(1, round(height * factor)), max(1, round(width * factor))


def _colours(card: Card, channels: int, has_alpha: bool) -> int:
    """How many channels the result of an image of so many has, beside alpha that goes past the network."""
    if has_alpha:
        return 3
    return 1 if channels == 1 and card.scale > 1 and card.in_channels == card.out_channels == 3 else card.out_channels


def _without_hidden_colours(pixels: Array) -> Array:
    """RGBA whose wholly transparent pixels have the colour of the nearest that is not."""
    hidden = pixels[..., 3] == 0
    if not hidden.any() or hidden.all():
        return pixels
    # Numbers the visible pixels from 1 on, and gives every hidden one the number of the nearest.
    _, nearest = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.empty((nearest.max() + 1, 4), pixels.dtype)
    colours[nearest[~hidden]] = pixels[~hidden]
    return colours[nearest]


def _upscale(network: Network, card: Card, pixels: Array, out: Array, tiling: Tiling, banded: Banded | None) -> None:
    """Fill `out` with what the network makes of the pixels, resampled if it is of another size than that."""
    made = (pixels.shape[0] * card.scale, pixels.shape[1] * card.scale)
    result = out if out.shape[:2] == made else np.empty((*made, out.shape[2]), out.dtype)
    in_bands = banded is not None and pixels.shape[0] * pixels.shape[1] > LARGEST_WHOLE
    while True:
        try:
            if banded is not None and in_bands:
                _run_in_bands(banded, card, pixels, result)
            else:
                _run_in_tiles(network, card, pixels, result, tiling)
            break
        except MemoryError:
            pass  # out of this block what the network held is free again
        if banded is None or in_bands:
            tiling.shrink(*pixels.shape[:2])
        in_bands = banded is not None
    if result is not out:
        resize(result, out, by=Resampling.LANCZOS)


def _run_in_bands(banded: Banded, card: Card, pixels: Array, out: Array) -> None:
    made = out if out.shape[2] == card.out_channels else np.empty((*out.shape[:2], card.out_channels), out.dtype)
    banded(with_channels(pixels, card.in_channels), made)
    if made is not out:
        out[...] = with_channels(made, out.shape[2])


def _run_in_tiles(network: Network, card: Card, pixels: Array, out: Array, tiling: Tiling) -> None:
    rows, columns = (
        tiles.reflected(size, multiple_of=card.multiple_of, min_size=card.min_size) for size in pixels.shape[:2]
    )

    padded = pixels if pixels.shape[:2] == (len(rows), len(columns)) else None

    def run(row: Span, column: Span) -> NDArray[np.float32]:
        down, across = slice(row.start, row.stop), slice(column.start, column.stop)
        tile = pixels[np.ix_(rows[down], columns[across])] if padded is None else padded[down, across]
        planes = np.ascontiguousarray(with_channels(tile, card.in_channels).transpose(2, 0, 1))
        return _run(network, card, to_float(planes)[None])[0].transpose(1, 2, 0)

    spans = tiling.spans(len(rows)), tiling.spans(len(columns))
    for top, left, piece in tiles.blended(run, *spans, ramp=tiling.ramp, scale=card.scale):
        # What the padding became is cut off.
        room = out[top : top + piece.shape[0], left : left + piece.shape[1]]
        if room.size:
            made = from_float(with_channels(piece[: room.shape[0], : room.shape[1]], out.shape[2]), out.dtype)
            # The networks make one plane after the other, which OpenCV puts together ten times as fast as NumPy.
            room[...] = cv2.merge(list(made.transpose(2, 0, 1))).reshape(made.shape)


def _run(network: Network, card: Card, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    result = np.asarray(network(batch), dtype=np.float32)
    number, _, height, width = batch.shape
    promised = (number, card.out_channels, height * card.scale, width * card.scale)
    if result.shape != promised:
        raise ValueError(f"{card.product} made {result.shape} of {batch.shape}; its card promises {promised}")
    if not np.isfinite(result).all():
        raise ValueError(f"{card.product} gave values that are not finite; check its weights and precision")
    return result
