"""Degradations of a batch of images to low resolution: bicubic as in most papers, and Real-ESRGAN's second order."""

from i2i.data.degradation import bicubic, second_order

__all__ = ["bicubic", "second_order"]
