"""One image through one network, whatever runs the network and whatever kind of image it is."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i_runtime import tiles
from i2i_runtime.card import Card
from i2i_runtime.images import Array, from_float, to_float, with_channels

# float32 (N, C, H, W) in [0, 1] -> float32 (N, C', H * scale, W * scale) in [0, 1]
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def translate_image(network: Network, card: Card, image: Array) -> Array:
    """(H, W) or (H, W, 1|3|4) in uint8, uint16 or float32 [0, 1] -> (H * scale, W * scale, out_channels), same type.

    Colour is converted to what the network takes. Alpha goes past a network of grey or RGB, resized where the scale is
    not 1; grey with alpha comes out as RGBA. (H, W) comes back as (H, W) if the network makes grey. Raises ValueError
    for another shape or type, and when the network gives something else than its card says.
    """
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)) or not image.size:
        raise ValueError(f"image of shape {image.shape}; legal: (height, width) or (height, width, 1, 3 or 4)")
    pixels = image.reshape(*image.shape[:2], -1)
    alpha = pixels[..., 3] if pixels.shape[2] == 4 and 4 not in (card.in_channels, card.out_channels) else None
    taken = to_float(with_channels(pixels, card.in_channels)).transpose(2, 0, 1)[None]
    result = from_float(_run(network, card, taken)[0].transpose(1, 2, 0), image.dtype)
    if alpha is not None:
        return _with_alpha(result, alpha)
    return np.ascontiguousarray(result[..., 0] if image.ndim == 2 and card.out_channels == 1 else result)


def _run(network: Network, card: Card, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    number, _, height, width = batch.shape
    padded = np.ascontiguousarray(tiles.pad(batch, multiple_of=card.multiple_of, min_size=card.min_size))
    result = np.asarray(network(padded), dtype=np.float32)
    promised = (number, card.out_channels, padded.shape[2] * card.scale, padded.shape[3] * card.scale)
    if result.shape != promised:
        raise ValueError(f"{card.product} made {result.shape} of {padded.shape}; its card promises {promised}")
    if not np.isfinite(result).all():
        raise ValueError(f"{card.product} gave values that are not finite; check its weights and precision")
    return tiles.crop(result, height=height * card.scale, width=width * card.scale)


def _with_alpha(result: Array, alpha: Array) -> Array:
    height, width = result.shape[:2]
    if alpha.shape != (height, width):
        alpha = cv2.resize(np.ascontiguousarray(alpha), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.dstack([with_channels(result, 3), alpha])
