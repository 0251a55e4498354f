"""A generator of fully connected layers.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio 2014: Generative Adversarial Nets, section
5, https://arxiv.org/abs/1406.2661; numbers of the authors' code for MNIST, https://github.com/goodfeli/adversarial.
"""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.generators.base import LatentGenerator
from i2i.networks.layers import at_least
from i2i.recipe.ranges import Channels, Classes, Features, Layers, Pixels
from i2i.registry import generators


@generators.register("linear")
class LinearGenerator(LatentGenerator):
    """GAN (Goodfellow 2014): `layers` fully connected layers of `features` units with ReLU, and one to all pixels.

    Shapes: z (N, latent), and labels int64 (N,) with `classes` -> (N, out_channels, size, size) in [-1, 1], of any
    size. The last layer ends in tanh, a sigmoid for images in [-1, 1]. The label, one-hot, is concatenated with z
    (conditional GAN, Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784).
    """

    def __init__(
        self,
        *,
        size: Pixels = 28,
        out_channels: Channels = 1,
        classes: Classes = 0,
        latent: Features = 100,
        features: Features = 1200,
        layers: Layers = 2,
    ) -> None:
        super().__init__()
        at_least(1, size=size, out_channels=out_channels, latent=latent, features=features, layers=layers)
        at_least(0, classes=classes)
        self.size, self.out_channels, self.latent, self.classes = size, out_channels, latent, classes
        self.layers = nn.Sequential()
        for inputs, outputs in pairwise([latent + classes, *[features] * layers]):
            self.layers.extend([nn.Linear(inputs, outputs), nn.ReLU()])
        self.head = nn.Sequential(nn.Linear(features, out_channels * size**2), nn.Tanh())

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        if label is not None and self.classes:
            w = torch.cat([w, F.one_hot(label, self.classes).to(w.dtype)], dim=1)
        return self.head(self.layers(w)).unflatten(1, (self.out_channels, self.size, self.size))

    def latent_weights(self) -> list[Tensor]:
        return [cast(nn.Linear, self.layers[0]).weight[:, : self.latent]]
