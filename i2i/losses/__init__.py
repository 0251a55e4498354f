"""What networks minimise, by name: adversarial objectives, and distances of pixels and of features."""

from i2i.losses import adversarial, perceptual, pixel
from i2i.losses.adversarial import Adversarial

__all__ = ["Adversarial", "adversarial", "perceptual", "pixel"]
