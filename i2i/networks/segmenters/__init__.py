"""Segmenters by name."""

from i2i.networks.segmenters import smp, unet
from i2i.networks.segmenters.base import Segmenter

__all__ = ["Segmenter", "smp", "unet"]
