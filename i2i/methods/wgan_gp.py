"""WGAN-GP: Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein GANs", 2017, algorithm 1.
https://arxiv.org/abs/1704.00028
"""

from i2i.methods.gan import GAN
from i2i.registry import methods


@methods.register("wgan-gp")
class WGANGP(GAN):
    """WGAN-GP (Gulrajani 2017): images from noise against a critic with a gradient penalty.

    Options are those of `GAN`; the networks and numbers of the paper are in its recipe.
    """
