"""Low-resolution images made from high ones, on the batch: bicubic as the papers', and Real-ESRGAN's second order."""

from i2i.data.degradation import bicubic, second_order

__all__ = ["bicubic", "second_order"]
