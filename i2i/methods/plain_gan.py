"""GAN: Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio, "Generative Adversarial Nets",
2014. https://arxiv.org/abs/1406.2661
"""

from i2i.methods.gan import GAN
from i2i.registry import methods


@methods.register("gan")
class PlainGAN(GAN):
    """GAN (Goodfellow 2014): images from noise by any networks and any adversarial objective.

    Options are those of `GAN`. The recipe `gan` has the first paper's fully connected networks, `lsgan` least squares.
    """
