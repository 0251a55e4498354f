"""Training methods, one paper per file."""

from i2i.methods import cyclegan, esrgan, gan, pix2pix, real_esrgan, rrdb_psnr, stylegan2

__all__ = ["cyclegan", "esrgan", "gan", "pix2pix", "real_esrgan", "rrdb_psnr", "stylegan2"]
