"""Generators, of images from images or from noise: one paper per file."""

from i2i.networks.generators import (
    biggan,
    dcgan,
    light_unet,
    linear,
    mobile_resnet,
    one_hot,
    plksr,
    r3gan,
    realplksr,
    resnet,
    rrdb,
    spade,
    span,
    srvgg,
    stylegan2,
    unet,
)
from i2i.networks.generators.base import Generator, ImageGenerator, LatentGenerator

__all__ = [
    "Generator",
    "ImageGenerator",
    "LatentGenerator",
    "biggan",
    "dcgan",
    "light_unet",
    "linear",
    "mobile_resnet",
    "one_hot",
    "plksr",
    "r3gan",
    "realplksr",
    "resnet",
    "rrdb",
    "spade",
    "span",
    "srvgg",
    "stylegan2",
    "unet",
]
