"""The geometry that the papers use: resize, scale, crop and flip, as pipeline steps."""

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.registry import augmentations

Image = NDArray[Any]
Aligned = tuple[Image, ...]  # images of one scene, which every step moves by one draw
Interpolation = Literal["bicubic", "linear", "area", "nearest"]


def is_label_map(image: Image) -> bool:
    """Class indices are int32; images are uint8 or float32."""
    return image.dtype == np.int32


@augmentations.register("resize")
class Resize:
    """To `size`: a square, or [height, width]; the aspect is not kept.

    "bicubic" is what the published code asks Pillow for. Pillow averages where it shrinks and OpenCV does not, so that
    here it means cubic to enlarge and area to shrink: of all, the nearest to Pillow (49 and 45 dB on photographs).
    """

    def __init__(self, *, size: int | tuple[int, int], interpolation: Interpolation = "bicubic") -> None:
        self._height, self._width = _height_width("resize", size)
        self._interpolation = interpolation

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        return tuple(_resized(image, self._height, self._width, self._interpolation) for image in images)


@augmentations.register("scale_width")
class ScaleWidth:
    """To `width` pixels, keeping the aspect (the published scale_width)."""

    def __init__(self, *, width: int, interpolation: Interpolation = "bicubic") -> None:
        _, self._width = _height_width("scale_width", width)
        self._interpolation = interpolation

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        return tuple(_scaled(image, self._width / image.shape[1], self._interpolation) for image in images)


@augmentations.register("scale_short")
class ScaleShort:
    """The shorter side to `size` pixels, keeping the aspect."""

    def __init__(self, *, size: int, interpolation: Interpolation = "bicubic") -> None:
        self._size, _ = _height_width("scale_short", size)
        self._interpolation = interpolation

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        return tuple(_scaled(image, self._size / min(image.shape[:2]), self._interpolation) for image in images)


@augmentations.register("crop")
class Crop:
    """A window of `size` (a square, or [height, width]) anywhere in the image; a smaller image is refused, or with
    `pad` reflected at its right and bottom up to that size.

    Of images that differ by a whole factor, `size` is the window in the largest one; the others show the same window.
    """

    def __init__(self, *, size: int | tuple[int, int], pad: bool = False) -> None:
        self._size, self._pad = _height_width("crop", size), pad

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        if self._pad:
            images = _reflected("crop", images, self._size)
        spare_rows, spare_columns = _spare("crop", images, self._size, "resize first, or set its option pad")
        return _window(images, int(rng.integers(spare_rows + 1)), int(rng.integers(spare_columns + 1)), self._size)


@augmentations.register("center_crop")
class CenterCrop:
    """A window of `size` (a square, or [height, width]; see `crop`) in the middle of the image."""

    def __init__(self, *, size: int | tuple[int, int]) -> None:
        self._size = _height_width("center_crop", size)

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        return _middle("center_crop", images, self._size)


@augmentations.register("limit")
class Limit:
    """The middle of the image, at most `size` (a square, or [height, width]; see `crop`): whole if it is smaller."""

    def __init__(self, *, size: int | tuple[int, int]) -> None:
        self._size = _height_width("limit", size)

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        height, width = max(image.shape[:2] for image in images)
        return _middle("limit", images, (min(height, self._size[0]), min(width, self._size[1])))


@augmentations.register("flip")
class Flip:
    """Left becomes right, with probability `p`."""

    def __init__(self, *, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"flip: p = {p} is not a probability; allowed: 0 to 1")
        self._p = p

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        if rng.random() >= self._p:
            return images
        # Not image[:, ::-1]: a view that runs backwards is slow to copy, and torch takes none.
        return tuple(cv2.flip(image, 1).reshape(image.shape) for image in images)


@augmentations.register("quarter_turns")
class QuarterTurns:
    """Turned by 0, 90, 180 or 270 degrees, equally often; with `flip`, all eight symmetries of a square are.

    That is the distribution of the published flips along both axes and transposition (use_hflip with use_rot).
    """

    def __call__(self, images: Aligned, rng: np.random.Generator) -> Aligned:
        turns = int(rng.integers(4))
        if not turns:
            return images
        code = (cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)[turns - 1]
        turned = (cv2.rotate(image, code) for image in images)
        return tuple(image.reshape(*image.shape[:2], -1) for image in turned)


def _height_width(step: str, size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ValueError(f"{step}: size {size} is not positive; allowed: 1 pixel and more")
    return height, width


def _scaled(image: Image, factor: float, interpolation: Interpolation) -> Image:
    height, width = image.shape[:2]
    return _resized(image, max(1, round(height * factor)), max(1, round(width * factor)), interpolation)


def _resized(image: Image, height: int, width: int, interpolation: Interpolation) -> Image:
    if is_label_map(image) or interpolation == "nearest":
        return _resample(image, height, width, cv2.INTER_NEAREST_EXACT)
    if interpolation == "linear":
        return _resample(image, height, width, cv2.INTER_LINEAR)
    shrunk = _resample(image, min(height, image.shape[0]), min(width, image.shape[1]), cv2.INTER_AREA)
    return _resample(shrunk, height, width, cv2.INTER_CUBIC if interpolation == "bicubic" else cv2.INTER_AREA)


def _resample(image: Image, height: int, width: int, flag: int) -> Image:
    if image.shape[:2] == (height, width):
        return image
    result = cv2.resize(image, (width, height), interpolation=flag).reshape(height, width, -1)
    # Cubic weights overshoot at edges; integers saturate by themselves.
    return result.clip(0, 1) if flag == cv2.INTER_CUBIC and result.dtype == np.float32 else result


def common_size(step: str, images: Aligned) -> tuple[int, int]:
    """Height and width of all images. Raises ValueError where they differ."""
    sizes = {image.shape[:2] for image in images}
    if len(sizes) > 1:
        raise _unequal(step, images)
    return sizes.pop()


def _factors(step: str, images: Aligned) -> tuple[int, ...]:
    """How many times as high and wide as the smallest one each image is. Raises ValueError for no whole numbers."""
    height, width = min(image.shape[:2] for image in images)
    factors = tuple(image.shape[0] // height for image in images)
    if any(image.shape[:2] != (height * factor, width * factor) for image, factor in zip(images, factors, strict=True)):
        raise _unequal(step, images)
    return factors


def _unequal(step: str, images: Aligned) -> ValueError:
    listed = " and ".join(f"{image.shape[1]}x{image.shape[0]}" for image in images)
    return ValueError(f"{step}: the images of a pair differ in size, {listed}; resize first")


def _spare(step: str, images: Aligned, size: tuple[int, int], remedy: str = "resize first") -> tuple[int, int]:
    """Rows and columns that a window of `size` in the largest image leaves over, in pixels of the smallest image."""
    factor = max(_factors(step, images))
    height, width = max(image.shape[:2] for image in images)
    wanted = str(size[0]) if size[0] == size[1] else f"{size[1]}x{size[0]}"
    if size[0] % factor or size[1] % factor:
        raise ValueError(
            f"{step}: size {wanted} is no multiple of {factor}, by which the images of a pair differ in size"
        )
    if height < size[0] or width < size[1]:
        raise ValueError(f"{step}: {width}x{height} image is smaller than size {wanted}; {remedy}")
    return (height - size[0]) // factor, (width - size[1]) // factor


def _window(images: Aligned, top: int, left: int, size: tuple[int, int]) -> Aligned:
    """The same window of all images: `top` and `left` in pixels of the smallest, `size` in those of the largest."""
    factors = _factors("crop", images)
    windows = []
    for image, factor in zip(images, factors, strict=True):
        height, width = (length * factor // max(factors) for length in size)
        windows.append(image[top * factor : top * factor + height, left * factor : left * factor + width])
    return tuple(windows)


def _middle(step: str, images: Aligned, size: tuple[int, int]) -> Aligned:
    spare_rows, spare_columns = _spare(step, images, size)
    return _window(images, spare_rows // 2, spare_columns // 2, size)


def _reflected(step: str, images: Aligned, size: tuple[int, int]) -> Aligned:
    """Every image extended at the right and the bottom until the largest is at least of `size`."""
    factors = _factors(step, images)
    height, width = max(image.shape[:2] for image in images)
    # In pixels of the smallest image, so that the extended ones differ by the same factor.
    rows, columns = (max(0, -((have - want) // max(factors))) for have, want in ((height, size[0]), (width, size[1])))
    if not rows and not columns:
        return images
    # As published, without a second edge pixel; but only with one do mirrored blocks of pixels stay blocks.
    border = cv2.BORDER_REFLECT_101 if max(factors) == 1 else cv2.BORDER_REFLECT
    extended = []
    for image, factor in zip(images, factors, strict=True):
        larger = cv2.copyMakeBorder(image, 0, rows * factor, 0, columns * factor, border)
        extended.append(larger.reshape(*larger.shape[:2], -1))
    return tuple(extended)
