"""Discriminators by name."""

from i2i.networks.discriminators import biggan, dcgan, multiscale, patchgan, projected, stylegan2, unet, vgg
from i2i.networks.discriminators.base import Discriminator

__all__ = ["Discriminator", "biggan", "dcgan", "multiscale", "patchgan", "projected", "stylegan2", "unet", "vgg"]
