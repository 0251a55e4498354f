"""The geometric augmentations of the papers as pipeline steps: resize, crop, flip, rotation by 90 degrees."""

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.recipe.ranges import Pixels, Probability
from i2i.registry import augmentations
from i2i_runtime.images import prepare

Image = NDArray[Any]  # (height, width, channels): uint8, float32 in [0, 1], or int32 for a label map
Aligned = tuple[Image, ...]  # images of one scene; a step transforms all of them by the same draw
Size = Pixels | tuple[Pixels, Pixels]  # pixels: of a square, or (height, width)
Interpolation = Literal["bicubic", "linear", "area", "nearest"]


def is_label_map(image: Image) -> bool:
    """True for a map of class indices, which is int32; images are uint8 or float32."""
    return image.dtype == np.int32


@augmentations.register("resize")
class Resize:
    """Resizes to `size` (a square, or [height, width]) without keeping the aspect ratio.

    Pix2Pix (Isola 2017, section 6.2) resizes to 286 before a crop to 256. The published code uses Pillow's bicubic,
    which averages where it shrinks; OpenCV's does not. "bicubic" here is cubic to enlarge and area to shrink: of all
    modes of OpenCV the nearest to Pillow's (49 and 45 dB on photographs).
    """

    role = "size"

    def __init__(self, *, size: Size, interpolation: Interpolation = "bicubic") -> None:
        self._size = _height_width("resize", size)
        self._interpolation = interpolation

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        return tuple(_resize(image, self._size, self._interpolation) for image in images)


@augmentations.register("scale_width")
class ScaleWidth:
    """Resizes to `width` pixels and keeps the aspect ratio (scale_width of the published Pix2Pix and CycleGAN)."""

    role = "size"

    def __init__(self, *, width: Pixels, interpolation: Interpolation = "bicubic") -> None:
        _, self._width = _height_width("scale_width", width)
        self._interpolation = interpolation

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        return tuple(_scale(image, self._width / image.shape[1], self._interpolation) for image in images)


@augmentations.register("scale_short")
class ScaleShort:
    """Resizes the shorter side to `size` pixels and keeps the aspect ratio."""

    role = "size"

    def __init__(self, *, size: Pixels, interpolation: Interpolation = "bicubic") -> None:
        self._size, _ = _height_width("scale_short", size)
        self._interpolation = interpolation

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        return tuple(_scale(image, self._size / min(image.shape[:2]), self._interpolation) for image in images)


@augmentations.register("crop")
class Crop:
    """Crops a random window of `size` (a square, or [height, width]); a smaller image is refused, or mirrored up to
    that size with `pad`.

    Where images differ in size by a whole factor (low and high resolution), `size` is the window of the largest one,
    and the others are cropped to the same part of the scene.
    """

    role = "crop"

    def __init__(self, *, size: Size, pad: bool = False) -> None:
        self._size, self._pad = _height_width("crop", size), pad

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        if self._pad:
            images = _pad("crop", images, self._size)
        rows, columns = _margins("crop", images, self._size, "resize first, or set its option pad")
        return _window("crop", images, int(rng.integers(rows + 1)), int(rng.integers(columns + 1)), self._size)


@augmentations.register("center_crop")
class CenterCrop:
    """Crops the central window of `size` (a square, or [height, width]; low and high resolution as in `crop`)."""

    role = "crop"

    def __init__(self, *, size: Size) -> None:
        self._size = _height_width("center_crop", size)

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        return _center("center_crop", images, self._size)


@augmentations.register("limit")
class Limit:
    """Crops the central window of at most `size` (a square, or [height, width]); smaller images stay as they are."""

    role = "crop"

    def __init__(self, *, size: Size) -> None:
        self._size = _height_width("limit", size)

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        height, width = max(image.shape[:2] for image in images)
        return _center("limit", images, (min(height, self._size[0]), min(width, self._size[1])))


@augmentations.register("flip")
class Flip:
    """Flips left to right with probability `p` (Pix2Pix, section 6.2)."""

    role = "flip"

    def __init__(self, *, p: Probability = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"flip: p = {p} is not a probability; allowed: 0 to 1")
        self._p = p

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        if rng.random() >= self._p:
            return images
        # Not image[:, ::-1]: torch takes no arrays with negative strides.
        return tuple(_with_channels(cv2.flip(image, 1)) for image in images)


@augmentations.register("quarter_turns")
class QuarterTurns:
    """Rotates by 0, 90, 180 or 270 degrees with equal probability (ESRGAN, Wang 2018, section 4.1); after `flip`, all
    eight symmetries of a square are equally probable.

    That is the distribution of the published code's flips along both axes and transposition.
    """

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        turns = int(rng.integers(4))
        if not turns:
            return images
        code = (cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)[turns - 1]
        return tuple(_with_channels(cv2.rotate(image, code)) for image in images)


def fit_square(image: Image, size: int) -> Image:
    """(height, width, C) -> (size, size, C): the shorter side resized to `size`, the center of the longer one kept."""
    (square,) = _center("fit", (_scale(image, size / min(image.shape[:2]), "bicubic"),), (size, size))
    return square


def common_size(step: str, images: Aligned) -> tuple[int, int]:
    """Height and width that all images have. Raises ValueError where they differ."""
    if len({image.shape[:2] for image in images}) > 1:
        raise _unequal_sizes(step, images)
    return images[0].shape[:2]


def _height_width(step: str, size: Size) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ValueError(f"{step}: size {size} is not positive; allowed: 1 pixel and more")
    return height, width


def _scale(image: Image, factor: float, interpolation: Interpolation) -> Image:
    height, width = (max(1, round(length * factor)) for length in image.shape[:2])
    return _resize(image, (height, width), interpolation)


def _resize(image: Image, size: tuple[int, int], interpolation: Interpolation) -> Image:
    return prepare.resize(image, size, "nearest" if is_label_map(image) else interpolation)


def _with_channels(image: Image) -> Image:
    """(height, width, C), also for C = 1, whose axis OpenCV drops."""
    return image.reshape(*image.shape[:2], -1)


def _factors(step: str, images: Aligned) -> tuple[int, ...]:
    """How many times as high and wide as the smallest one each image is. Raises ValueError for no whole numbers."""
    height, width = min(image.shape[:2] for image in images)
    factors = tuple(image.shape[0] // height for image in images)
    if any(image.shape[:2] != (height * factor, width * factor) for image, factor in zip(images, factors, strict=True)):
        raise _unequal_sizes(step, images)
    return factors


def _unequal_sizes(step: str, images: Aligned) -> ValueError:
    sizes = " and ".join(f"{image.shape[1]}x{image.shape[0]}" for image in images)
    return ValueError(f"{step}: the images of a pair differ in size, {sizes}; resize first")


def _margins(step: str, images: Aligned, size: tuple[int, int], remedy: str = "resize first") -> tuple[int, int]:
    """Rows and columns beside a window of `size` in the largest image, in pixels of the smallest image."""
    factor = max(_factors(step, images))
    height, width = max(image.shape[:2] for image in images)
    text = str(size[0]) if size[0] == size[1] else f"{size[1]}x{size[0]}"
    if size[0] % factor or size[1] % factor:
        raise ValueError(
            f"{step}: size {text} is no multiple of {factor}, by which the images of a pair differ in size"
        )
    if height < size[0] or width < size[1]:
        raise ValueError(f"{step}: {width}x{height} image is smaller than size {text}; {remedy}")
    return (height - size[0]) // factor, (width - size[1]) // factor


def _window(step: str, images: Aligned, top: int, left: int, size: tuple[int, int]) -> Aligned:
    """The same window of all images: `top` and `left` in pixels of the smallest, `size` in those of the largest."""
    factors = _factors(step, images)
    windows = []
    for image, factor in zip(images, factors, strict=True):
        height, width = (length * factor // max(factors) for length in size)
        windows.append(image[top * factor : top * factor + height, left * factor : left * factor + width])
    return tuple(windows)


def _center(step: str, images: Aligned, size: tuple[int, int]) -> Aligned:
    rows, columns = _margins(step, images, size)
    return _window(step, images, rows // 2, columns // 2, size)


def _pad(step: str, images: Aligned, size: tuple[int, int]) -> Aligned:
    """All images mirrored at the right and the bottom until the largest is at least of `size`."""
    factors = _factors(step, images)
    lengths = max(image.shape[:2] for image in images)
    # In pixels of the smallest image, so that the padded ones differ by the same factor.
    rows, columns = (max(0, -((have - need) // max(factors))) for have, need in zip(lengths, size, strict=True))
    if not rows and not columns:
        return images
    # The published code mirrors about the edge pixel; only mirroring with the edge keeps blocks of pixels aligned.
    border = cv2.BORDER_REFLECT_101 if max(factors) == 1 else cv2.BORDER_REFLECT
    return tuple(
        _with_channels(cv2.copyMakeBorder(image, 0, rows * factor, 0, columns * factor, border))
        for image, factor in zip(images, factors, strict=True)
    )
