"""What networks minimise: adversarial objectives by name."""

from i2i.losses import adversarial
from i2i.losses.adversarial import Adversarial

__all__ = ["Adversarial", "adversarial"]
