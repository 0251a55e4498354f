"""Training methods, one paper per file."""

from i2i.methods import cyclegan, esrgan, pix2pix, real_esrgan, rrdb_psnr

__all__ = ["cyclegan", "esrgan", "pix2pix", "real_esrgan", "rrdb_psnr"]
