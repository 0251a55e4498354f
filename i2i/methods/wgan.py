"""WGAN: Arjovsky, Chintala, Bottou, "Wasserstein GAN", 2017, algorithm 1. https://arxiv.org/abs/1701.07875"""

from i2i.methods.gan import GAN
from i2i.registry import methods


@methods.register("wgan")
class WGAN(GAN):
    """WGAN (Arjovsky 2017): images from noise against a critic with clipped weights.

    Options are those of `GAN`; the networks and numbers of the paper are in its recipe.
    """
