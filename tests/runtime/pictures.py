"""Images for the tests of the runtime: noise, which no format compresses, and what is smooth as a photograph."""

from functools import cache
from io import BytesIO

import cv2
import numpy as np
from PIL import Image, ImageCms

_RNG = np.random.default_rng(0)


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    """An image (height, width[, channels]) of uint8 or uint16 in which every level is as likely."""
    return _RNG.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def smooth(channels: int = 3, height: int = 96, width: int = 160) -> np.ndarray:
    """An image of uint8 without edges."""
    ramp = np.linspace(0, 255, height * width * channels).reshape(height, width, channels)
    return cv2.GaussianBlur(ramp, (0, 0), 3).reshape(ramp.shape).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of a file as Pillow writes it."""
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@cache  # it carries the time of its making
def srgb_profile() -> bytes:
    """An ICC profile for RGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
