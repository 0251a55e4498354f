"""Degradations of a batch of images: bicubic as in most papers, Real-ESRGAN's second order, and single steps."""

from i2i.data.degradation import bicubic, second_order, stepwise

__all__ = ["bicubic", "second_order", "stepwise"]
