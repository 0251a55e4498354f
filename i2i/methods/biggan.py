"""BigGAN: Brock, Donahue, Simonyan, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", 2019.
https://arxiv.org/abs/1809.11096
"""

from i2i.methods.gan import GAN
from i2i.registry import methods


@methods.register("biggan")
class BigGAN(GAN):
    """BigGAN (Brock 2019): class-conditional images from noise with residual networks and a hinge loss.

    Options are those of `GAN`; the networks and numbers of the paper are in its recipe.
    """
