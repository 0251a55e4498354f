"""Translation of one image of any kind and size by a network, whatever runs the network."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling

from i2i_runtime import tiles
from i2i_runtime.card import Card
from i2i_runtime.images import Array, from_float, to_float, with_channels
from i2i_runtime.images.prepare import Prepare
from i2i_runtime.images.resize import resize
from i2i_runtime.tiles import Span, Tiling

# float32 (N, C, H, W) in [0, 1] -> float32 (N, C', H * scale, W * scale) in [0, 1]; MemoryError asks for smaller tiles
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# Hears how much of an image is done, above 0 and up to 1, from time to time
Progress = Callable[[float], None]


def no_progress(share: float) -> None:
    """Show nothing."""


class Banded(Protocol):
    """Fills its second argument with the network's output for the whole image (H, W, in_channels) of the same type, in
    bands of rows that take less memory than the network itself.
    """

    def __call__(self, image: Array, out: Array, *, progress: Progress = no_progress) -> None: ...


class ImageModel(Protocol):
    """A model ready to run, whatever runs it: called with an image, or through `network` with batches."""

    card: Card
    engine: str  # "onnxruntime", "openvino" or "torch"
    provider: str  # what the engine runs on, such as "cpu" or "cuda"
    prepare: Prepare | None  # what calls with an image do before
    checksum: str  # SHA-256 of an exported file; empty in torch, where the card's `weights` say as much

    @property
    def banded(self) -> Banded | None:
        """How large images go through in bands of rows; None where they do not."""

    def network(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network itself, a `Network`."""

    def preparation(self) -> Prepare:
        """The preparation of images as in training. Raises ValueError where it is not known."""

    def __call__(self, image: Array) -> Array:
        """Translate one image, as `translate_image`."""


LARGEST_OUTSCALE = 16
LARGEST_WHOLE = 2**21  # pixels of an image that goes through at once where it could go in bands


def translate_image(
    network: Network,
    card: Card,
    image: Array,
    *,
    tiling: Tiling | None = None,
    banded: Banded | None = None,
    outscale: float | None = None,
    keep_hidden: bool = False,
    prepare: Prepare | None = None,
    progress: Progress = no_progress,
) -> Array:
    """Translate (H, W) or (H, W, 1|3|4) in uint8, uint16 or float32 [0, 1] to (H * scale, W * scale, C), same type.

    A large image goes through in tiles where the network can take them; `tiling` says how large, and remembers what
    fitted into memory. Where the network needs the whole image, a large one goes through `banded`, if given: with a
    tile of 0 where memory runs out, else above 2 megapixels. With
    `outscale` the result is resampled to that many times the size of the image. `prepare` is for its colours, as in
    training; the result is then as large as the network makes it of what was prepared. `progress` is called after each
    part of an image that does not go through at once.

    The result has `out_channels` of the card, but: grey through a network that enlarges or restores colours stays grey;
    alpha bypasses a network of grey or RGB, resampled where the size changes, and grey with alpha becomes RGBA. Wholly
    transparent pixels get the colour of the nearest visible one before, unless `keep_hidden`, for images whose alpha is
    something else (gloss, height). (H, W) comes back as (H, W) if the result is grey. Raises ValueError for another
    shape or type, when the network's output is not what its card says, and when there is not enough memory for the
    smallest tile.
    """
    _check_image(image)
    pixels = image.reshape(*image.shape[:2], -1)
    if card.label_classes:
        pixels = _label_map(card, pixels)
    has_alpha = pixels.shape[2] == 4 and 4 not in (card.in_channels, card.out_channels)
    colours = _result_colours(card, pixels.shape[2], has_alpha)
    filled = _fill_transparent(pixels) if has_alpha and not keep_hidden else pixels
    if prepare is not None:
        filled = prepare(with_channels(filled, card.in_channels))
    height, width = (filled if outscale is None else pixels).shape[:2]
    size = result_size(card, height, width, outscale)
    result = np.empty((*size, colours + has_alpha), np.uint8 if card.label_classes else image.dtype)
    runner = _Runner(network, card, tiling or Tiling(card), None if card.overlap else banded, progress)
    _translate(runner, filled, result[..., :colours])
    if has_alpha:
        # Not Lanczos, which rings into what is wholly opaque or transparent.
        resize(pixels[..., 3:], result[..., colours:], by=Resampling.BICUBIC)
    return result[..., 0] if image.ndim == 2 and colours == 1 else result


def scale_factor(card: Card, outscale: float | None = None) -> float:
    """Size of a result in sizes of its image. Raises ValueError for a wrong `outscale`."""
    factor = card.scale if outscale is None else outscale
    if not 0 < factor <= max(card.scale, LARGEST_OUTSCALE):
        raise ValueError(f"outscale: {factor} is refused; allowed: above 0, up to {LARGEST_OUTSCALE}")
    return factor


def result_size(card: Card, height: int, width: int, outscale: float | None = None) -> tuple[int, int]:
    """Height and width in pixels of an image's result, at least 1. Raises ValueError for a wrong `outscale`."""
    factor = scale_factor(card, outscale)
    return max(1, round(height * factor)), max(1, round(width * factor))


def _check_image(image: object) -> None:
    """Raises ValueError for what is no image, or one of another shape."""
    if not isinstance(image, np.ndarray):
        raise ValueError(
            f"{type(image).__name__} is not an image; allowed: NumPy arrays, of which numpy.asarray makes one from an "
            "image of Pillow; several images take one call each"
        )
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)) or not image.size:
        raise ValueError(f"image of shape {image.shape}; allowed: (height, width) or (height, width, 1, 3 or 4)")


def _label_map(card: Card, pixels: Array) -> Array:
    """Class indices in uint8, or an instance map in uint16. Raises ValueError for an image that holds none."""
    types = (np.uint8, np.uint16) if card.instance_maps else (np.uint8,)
    if pixels.shape[2] != 1 or pixels.dtype not in types:
        takes = (
            "instance maps: one channel of uint16 with"
            if card.instance_maps
            else "label maps: one channel of uint8 with"
        )
        instances = ", times 1000 plus the instance where a class has these" * card.instance_maps
        raise ValueError(
            f"an image of {pixels.shape[2]} channels of {pixels.dtype}, but the network takes {takes} class indices "
            f"from 0 to {card.label_classes - 1}{instances}, and 255 for none"
        )
    return pixels.astype(types[-1], copy=False)


def _result_colours(card: Card, channels: int, has_alpha: bool) -> int:
    """Channels of the result of an image of so many `channels`, without alpha that bypasses the network."""
    if has_alpha:
        return 3
    keeps_grey = (card.scale > 1 or card.keeps_grey) and card.in_channels == card.out_channels == 3
    return 1 if channels == 1 and keeps_grey else card.out_channels


def _fill_transparent(pixels: Array) -> Array:
    """Give wholly transparent pixels of an RGBA image the colour of the nearest other one.

    Their own colour, which nobody sees, would bleed into the visible ones.
    """
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


class _Runner(NamedTuple):
    """What runs images: the network, and how large ones go through it."""

    network: Network
    card: Card
    tiling: Tiling
    banded: Banded | None
    progress: Progress


def _translate(runner: _Runner, pixels: Array, out: Array) -> None:
    """Fill `out` with the network's output, resampled if `out` is of another size."""
    size = (pixels.shape[0] * runner.card.scale, pixels.shape[1] * runner.card.scale)
    output = out if out.shape[:2] == size else np.empty((*size, out.shape[2]), out.dtype)
    _translate_whole(runner, pixels, output)
    if output is not out:
        resize(output, out, by=Resampling.LANCZOS)


def _translate_whole(runner: _Runner, pixels: Array, out: Array) -> None:
    """Fill `out` in tiles or in bands, in smaller ones when memory runs out."""
    banded, tiling = runner.banded, runner.tiling
    is_large = pixels.shape[0] * pixels.shape[1] > LARGEST_WHOLE
    in_bands = banded is not None and is_large and not tiling.is_whole
    while True:
        try:
            if banded is not None and in_bands:
                return _run_in_bands(banded, runner, pixels, out)
            return _run_in_tiles(runner, pixels, out)
        except MemoryError:
            pass  # out of this block the network's memory is free again
        if banded is None or in_bands:
            tiling.shrink(*pixels.shape[:2])
        in_bands = banded is not None


def _run_in_bands(banded: Banded, runner: _Runner, pixels: Array, out: Array) -> None:
    card = runner.card
    output = out if out.shape[2] == card.out_channels else np.empty((*out.shape[:2], card.out_channels), out.dtype)
    banded(with_channels(pixels, card.in_channels), output, progress=runner.progress)
    if output is not out:
        out[...] = with_channels(output, out.shape[2])


def _run_in_tiles(runner: _Runner, pixels: Array, out: Array) -> None:
    card, tiling = runner.card, runner.tiling
    (rows, row_spans), (columns, column_spans) = map(tiling.axis, pixels.shape[:2])
    needs_padding = pixels.shape[:2] != (len(rows), len(columns))

    def run(row: Span, column: Span) -> NDArray[np.float32]:
        down, across = slice(row.start, row.stop), slice(column.start, column.stop)
        tile = pixels[np.ix_(rows[down], columns[across])] if needs_padding else pixels[down, across]
        planes = np.ascontiguousarray(with_channels(tile, card.in_channels).transpose(2, 0, 1))
        return _run_checked(runner.network, card, to_float(planes)[None])[0].transpose(1, 2, 0)

    number = len(row_spans) * len(column_spans)
    for done, (top, left, piece) in enumerate(
        tiles.blend(run, row_spans, column_spans, ramp=tiling.ramp, scale=card.scale), 1
    ):
        # The result of the padding is cut off.
        part = out[top : top + piece.shape[0], left : left + piece.shape[1]]
        if part.size:
            piece = with_channels(piece[: part.shape[0], : part.shape[1]], out.shape[2])
            planes = from_float(piece, out.dtype).transpose(2, 0, 1)
            # The networks make one plane after the other, which OpenCV puts together ten times as fast as NumPy.
            part[...] = cv2.merge(list(planes)).reshape(piece.shape)
        if number > 1:
            runner.progress(done / number)


def _run_checked(network: Network, card: Card, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    result = np.asarray(network(batch), dtype=np.float32)
    number, _, height, width = batch.shape
    promised = (number, card.out_channels, height * card.scale, width * card.scale)
    if result.shape != promised:
        raise ValueError(f"{card.product} made {result.shape} of {batch.shape}; its card promises {promised}")
    if not np.isfinite(result).all():
        raise ValueError(f"{card.product} gave values that are not finite; check its weights and precision")
    return result
