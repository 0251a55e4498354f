"""Compression of still images: JPEG and WebP."""

import cv2
import numpy as np
import torch
from torch import Tensor

from i2i.data.degradation import jpeg as codec
from i2i.data.degradation.steps.base import DegradationStep, Range, Size, check_range
from i2i.recipe.ranges import Probability
from i2i.registry import degradation_steps


@degradation_steps.register("jpeg")
class JPEG(DegradationStep):
    """JPEG with 4:2:0 chroma; `quality` is a range from 1 to 100."""

    def __init__(self, *, quality: Range = (30.0, 95.0), probability: Probability = 1.0) -> None:
        check_range("jpeg", "quality", quality, 1, 100)
        self.quality, self.probability = quality, probability

    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        quality = torch.tensor([rng.uniform(*self.quality)]).to(image.device)
        return codec.jpeg(image[None].float(), quality)[0].to(image.dtype)


@degradation_steps.register("webp")
class WebP(DegradationStep):
    """Lossy WebP; `quality` is a range from 1 to 100. The codec runs on the CPU, also for images on a GPU."""

    def __init__(self, *, quality: Range = (30.0, 95.0), probability: Probability = 1.0) -> None:
        check_range("webp", "quality", quality, 1, 100)
        self.quality, self.probability = quality, probability

    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        pixels = to_pixels(image)[..., ::-1]
        _, data = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, round(rng.uniform(*self.quality))])
        decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
        return from_pixels(decoded[..., ::-1], image)


def to_pixels(image: Tensor) -> np.ndarray:
    """An image (1 or 3, H, W) in [0, 1] as RGB pixels (H, W, 3), uint8; grey ones have three equal channels."""
    pixels = (image.detach() * 255).round().clamp(0, 255).byte().expand(3, -1, -1)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())


def from_pixels(pixels: np.ndarray, like: Tensor) -> Tensor:
    """RGB pixels (H, W, 3) as an image in [0, 1] of the channels, type and device of `like`."""
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).to(like.device, like.dtype) / 255
    return image.mean(0, keepdim=True) if len(like) == 1 else image
