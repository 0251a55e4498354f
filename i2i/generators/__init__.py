"""Networks from images to images, by name: one paper per file."""

from i2i.generators import resnet, rrdb, srvgg, unet
from i2i.generators.base import ImageGenerator

__all__ = ["ImageGenerator", "resnet", "rrdb", "srvgg", "unet"]
