"""Training methods, one paper per file."""

from i2i.methods import cyclegan, pix2pix

__all__ = ["cyclegan", "pix2pix"]
