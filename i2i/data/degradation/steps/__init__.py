"""Effects of the degradation `steps`, by name: what people train restorers and upscalers against."""

from i2i.data.degradation.steps import colour, compression, noise, sharpness, size, video
from i2i.data.degradation.steps.base import DegradationStep, Size

__all__ = ["DegradationStep", "Size", "colour", "compression", "noise", "sharpness", "size", "video"]
