"""Loss functions by name: adversarial objectives, pixel losses and perceptual losses."""

from i2i.losses import adversarial, ms_ssim, perceptual, pixel, relativistic
from i2i.losses.adversarial import Adversarial

__all__ = ["Adversarial", "adversarial", "ms_ssim", "perceptual", "pixel", "relativistic"]
