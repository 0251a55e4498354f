"""Discriminators by name."""

from i2i.networks.discriminators import (
    biggan,
    dcgan,
    gigagan,
    linear,
    multiscale,
    patchgan,
    projected,
    r3gan,
    stylegan2,
    unet,
    vgg,
)
from i2i.networks.discriminators.base import Discriminator

__all__ = [
    "Discriminator",
    "biggan",
    "dcgan",
    "gigagan",
    "linear",
    "multiscale",
    "patchgan",
    "projected",
    "r3gan",
    "stylegan2",
    "unet",
    "vgg",
]
