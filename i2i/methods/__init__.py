"""Training methods, one paper per file; the other modules register nothing and are shared."""

from i2i.methods import (
    biggan,
    cut,
    cyclegan,
    dcgan,
    distil,
    esrgan,
    pix2pix,
    plain_gan,
    r3gan,
    real_esrgan,
    rrdb_psnr,
    segmenter,
    sim2real,
    stylegan2,
    wgan,
    wgan_gp,
)

__all__ = [
    "biggan",
    "cut",
    "cyclegan",
    "dcgan",
    "distil",
    "esrgan",
    "pix2pix",
    "plain_gan",
    "r3gan",
    "real_esrgan",
    "rrdb_psnr",
    "segmenter",
    "sim2real",
    "stylegan2",
    "wgan",
    "wgan_gp",
]
