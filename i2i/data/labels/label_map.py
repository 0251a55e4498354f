"""Label maps in image files: grey levels, palette indices or colours, read exactly."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2i_runtime import images
from i2i_runtime.files import open_regular_file, printable
from i2i_runtime.images import headers


def read_label_map(path: Path, *, in_colour: bool) -> NDArray[np.integer]:
    """Labels (H, W) of an image file for a `ClassMap`: grey levels or palette indices, or colours as 0xRRGGBB.

    Raises ValueError for a file that cannot be read or is lossy, and for colours unless `in_colour`.
    """
    indices = _palette_indices(path)
    if indices is not None and not in_colour:
        return indices
    pixels = images.read(path)
    if not in_colour:
        if (pixels[..., :3] != pixels[..., :1]).any():
            raise ValueError(f"{printable(path)}: a label map in colours; give a class map that says what they mean")
        return pixels[..., 0]
    if pixels.dtype != np.uint8:
        raise ValueError(f"{printable(path)}: 16 bits a channel; allowed for a label map in colours: 8")
    red, green, blue = np.moveaxis(images.with_channels(pixels, 3).astype(np.int64), 2, 0)
    return red << 16 | green << 8 | blue


def _palette_indices(path: Path) -> NDArray[np.uint8] | None:
    """Indices (H, W) of an image with a palette, else None. Raises ValueError for a JPEG, which changes labels."""
    with open_regular_file(path) as stream:
        file = headers.parse(stream, path)
        if file.format == "JPEG":
            raise ValueError(f"{printable(path)}: a JPEG, whose pixels are not exact, as a label map; allowed: PNG")
        if file.mode != "P":
            return None
        try:
            return np.array(file)
        except Exception as error:  # damaged bytes make a decoder raise anything
            raise ValueError(f"{printable(path)}: {headers.DAMAGED}") from error
