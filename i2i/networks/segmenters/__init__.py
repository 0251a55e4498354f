"""Segmenters by name."""

from i2i.networks.segmenters import unet
from i2i.networks.segmenters.base import Segmenter

__all__ = ["Segmenter", "unet"]
