"""DCGAN: Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", 2016. https://arxiv.org/abs/1511.06434
"""

from i2i.methods.gan import GAN
from i2i.registry import methods


@methods.register("dcgan")
class DCGAN(GAN):
    """DCGAN (Radford 2016): images from noise with strided convolutions and batch norm.

    Options are those of `GAN`; the networks and numbers of the paper are in its recipe.
    """
