"""Networks that judge images, by name; every method can use each of them."""

from i2i.discriminators import dcgan, patchgan, unet, vgg
from i2i.discriminators.base import Discriminator

__all__ = ["Discriminator", "dcgan", "patchgan", "unet", "vgg"]
